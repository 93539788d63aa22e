/** Who a person is, as far as Microsoft vouches for them: guests, other tenants and the unknown are named as such. */
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { PersonIn } from '../inbound.ts';
import type { Activity } from './activity.ts';
import { tenantOf } from './activity.ts';
import type { Member } from './connector.ts';
import { shorten } from './text.ts';

/** How long a member's standing is believed: a guest made today may speak a quarter of an hour later. */
const believedMs = 15 * 60_000;
const mostKept = 10_000;

export interface PeopleOptions {
  workspace: string;
  /** The tenant that is served; every other is refused. */
  tenantId: string;
  /** The Agents Playground: one invented tenant, nobody to ask. */
  development: boolean;
  clock: Clock;
  log: Log;
}

/** Tells who sent an activity; `member` asks the conversation's roster. Never throws: who cannot be checked is refused with the reason. */
export function openPeople(
  options: PeopleOptions,
): (activity: Activity, member: () => Promise<Member>) => Promise<PersonIn> {
  const believed = new Map<string, { external: string | null; until: number }>();

  async function standing(objectId: string, member: () => Promise<Member>): Promise<string | null> {
    const now = options.clock.now();
    const known = believed.get(objectId);
    if (known && known.until > now) return known.external;
    let external: string | null;
    try {
      external = whyExternal(await member(), objectId);
    } catch (error) {
      options.log.warn({ err: error }, 'a member could not be looked up');
      return 'KQueen could not ask Teams whether you are a member of this organisation; try again in a moment';
    }
    believed.delete(objectId);
    believed.set(objectId, { external, until: now + believedMs });
    if (believed.size > mostKept) {
      const [oldest] = believed.keys();
      if (oldest !== undefined) believed.delete(oldest);
    }
    return external;
  }

  return async (activity, member) => {
    const { from } = activity;
    const objectId = from.aadObjectId ?? (options.development ? from.id : '');
    const person = {
      id: `teams:${options.workspace}:${objectId || `unknown-${from.id}`}`,
      name: shorten(from.name ?? '', 100) || 'Somebody',
      ...(activity.localTimezone ? { zone: activity.localTimezone } : {}),
    };
    if (options.development) return { ...person, external: null };
    if (!objectId) return { ...person, external: 'Teams did not say who you are' };
    if (tenantOf(activity) !== options.tenantId)
      return { ...person, external: 'you belong to another Microsoft tenant' };
    return { ...person, external: await standing(objectId, member) };
  };
}

/** Guests have their home in another tenant and `#EXT#` in their principal name; the roster says `guest` or `anonymous`. */
function whyExternal(member: Member, objectId: string): string | null {
  const role = (member.userRole ?? '').toLowerCase();
  if (role === 'anonymous') return 'you take part without an account';
  if (role === 'guest' || /#EXT#/i.test(`${member.userPrincipalName ?? ''} ${member.email ?? ''}`)) {
    return 'you are a guest of this organisation';
  }
  if (role !== '' && role !== 'user') return `Teams calls your role ${shorten(role, 30)}`;
  if (member.aadObjectId && member.aadObjectId.toLowerCase() !== objectId.toLowerCase()) {
    return 'Teams did not say who you are';
  }
  return null;
}
