/** Who a Slack user is: a member of this workspace, or why not. */
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { PersonIn } from '../inbound.ts';
import type { SlackApi } from './api.ts';
import { oneLine } from './text.ts';

export interface People {
  /**
   * The person behind a user id that Slack vouched for, within a second. A failing look-up gives a reason in `external`: nobody is
   * trusted unseen.
   */
  look(team: string, user: string, name: string | undefined): Promise<PersonIn>;
}

const cacheMs = 10 * 60_000;
const lookupMs = 1_000;
const cacheMax = 10_000;

interface Known {
  until: number;
  person: PersonIn;
}

export interface PeopleOptions {
  api: SlackApi;
  clock: Clock;
  log: Log;
}

/** Looks users up with users.info and remembers them for ten minutes. */
export function createPeople({ api, clock, log }: PeopleOptions): People {
  const known = new Map<string, Known>();
  const asking = new Map<string, Promise<PersonIn>>();

  async function ask(team: string, user: string): Promise<PersonIn> {
    const answer = await api.call('users.info', { user });
    const person = personFrom(team, user, answer.user);
    const oldest = known.keys().next().value;
    if (known.size >= cacheMax && oldest !== undefined) known.delete(oldest);
    known.set(`${team}:${user}`, { until: clock.now() + cacheMs, person });
    return person;
  }

  function asked(team: string, user: string): Promise<PersonIn> {
    const key = `${team}:${user}`;
    const running = asking.get(key);
    if (running !== undefined) return running;
    const started = ask(team, user).finally(() => asking.delete(key));
    asking.set(key, started);
    return started;
  }

  return {
    async look(team, user, name) {
      const cached = known.get(`${team}:${user}`);
      if (cached !== undefined && cached.until > clock.now()) return cached.person;
      const timer = new AbortController();
      const late = clock.sleep(lookupMs, timer.signal).then(
        () => null,
        () => null,
      );
      const found = await Promise.race([
        asked(team, user).catch((error: unknown) => {
          log.warn({ error: String(error) }, 'users.info failed');
          return null;
        }),
        late,
      ]);
      timer.abort();
      if (found !== null) return found;
      const external = 'unverified: Slack did not tell who you are in time. Please try again in a moment.';
      return { id: `slack:${team}:${user}`, name: oneLine(name ?? user), external };
    },
  };
}

const otherWorkspace = 'You belong to another workspace; only members of this one may use KQueen.';

interface Profile {
  team_id?: string;
  name?: string;
  real_name?: string;
  tz?: string;
  deleted?: boolean;
  is_bot?: boolean;
  is_workflow_bot?: boolean;
  is_restricted?: boolean;
  is_ultra_restricted?: boolean;
  is_stranger?: boolean;
  profile?: { display_name?: string; real_name?: string };
  enterprise_user?: { teams?: string[] };
}

function personFrom(team: string, user: string, found: unknown): PersonIn {
  const profile: Profile = typeof found === 'object' && found !== null ? found : {};
  const inTeam = profile.team_id === team || profile.enterprise_user?.teams?.includes(team) === true;
  const home = inTeam ? team : (profile.team_id ?? team);
  const names = [profile.profile?.display_name, profile.real_name, profile.profile?.real_name, profile.name, user];
  const name = oneLine(names.find((each) => each !== undefined && each.trim() !== '') ?? user).slice(0, 80);
  const zone = typeof profile.tz === 'string' && profile.tz !== '' ? { zone: profile.tz } : {};
  return { id: `slack:${home}:${user}`, name, external: reason(profile, user, inTeam), ...zone };
}

/** Fields: docs.slack.dev/reference/objects/user-object. */
function reason(profile: Profile, user: string, inTeam: boolean): string | null {
  if (profile.deleted === true) return 'This account is deactivated.';
  if (profile.is_bot === true || profile.is_workflow_bot === true || user === 'USLACKBOT')
    return 'Bots may not use KQueen.';
  if (profile.is_stranger === true || !inTeam) return otherWorkspace;
  if (profile.is_ultra_restricted === true || profile.is_restricted === true) {
    return 'You are a guest here; only full members of the workspace may use KQueen.';
  }
  return null;
}
