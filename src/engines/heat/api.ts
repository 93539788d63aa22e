import { Fault } from '../../core/errors.ts';
import type { Call } from '../../core/ports/engine.ts';
import { type Http, type HttpAnswer, openHttp } from '../http.ts';
import { scrub } from '../scrub.ts';
import { explainHeat } from './explain.ts';
import type { HeatProvisioner } from './schema.ts';
import { endpointOf, type Session, type SignedIn } from './session.ts';
import { ErrorAnswer } from './wire.ts';

type HeatRequest = Parameters<Http['send']>[0];

/** The services of the cloud that the catalogue names, spoken to with the token of the session. */
export interface Api {
  /** One request to Heat, below its project. */
  heat(request: HeatRequest, call: Call): Promise<HttpAnswer>;
  /** A read at another service (compute, image, network); null when the cloud has none that can be asked. */
  read(type: string, path: string, call: Call): Promise<unknown>;
  /** True when this 404 is Heat's own word that there is no such stack; throws for the 404 of anything else. */
  isGone(answer: HttpAnswer): true;
  close(): Promise<void>;
}

/** Opens the services; connections are made when first used. `field` says which field of the form a refusal of Heat is about. */
export function openApi(
  params: HeatProvisioner,
  session: Session,
  secrets: readonly string[],
  field: (message: string) => string | undefined,
): Api {
  const byCredential = Boolean(params.applicationCredentialId);
  const open = new Map<string, Http>();

  function serviceAt(base: string, provider: string): Http {
    const found = open.get(base);
    if (found) return found;
    let sent = '';
    const http = openHttp({
      base,
      provider,
      authorize: async (call) => {
        const { token } = await session.signedIn(call);
        sent = token;
        return { 'x-auth-token': token };
      },
      secrets,
      ...(params.caBundle?.trim() ? { caBundle: params.caBundle } : {}),
      explain: explainHeat({ byCredential, field }),
      renew(status) {
        // A token that was revoked, or that ended earlier than it said; wrong credentials show when signing in.
        if (status !== 401) return false;
        session.drop(sent);
        return true;
      },
    });
    open.set(base, http);
    return http;
  }

  async function heat(request: HeatRequest, call: Call): Promise<HttpAnswer> {
    const base = heatBase(params, await session.signedIn(call));
    return serviceAt(base, 'Heat').send(request, call);
  }

  return {
    heat,
    async read(type, path, call) {
      const base = endpointOf(await session.signedIn(call), params, type, true);
      if (base === null) return null;
      // Some catalogues name the version of an API in its address, some leave it to the caller.
      const below = /\/v\d+(\.\d+)?(\/|$)/.test(base) ? path.replace(/^\/v\d+(\.\d+)?(?=\/)/, '') : path;
      const answer = await serviceAt(base, `the ${type} service`).send({ path: below }, call);
      return answer.status === 404 ? null : answer.body;
    },
    isGone(answer) {
      const type = ErrorAnswer.safeParse(answer.body).data?.error.type ?? '';
      // Anything else that answers 404 (an address half-way into the API, a gateway) says nothing about a stack.
      if (!/^(EntityNotFound|StackNotFound)$/.test(type)) throw notHeat(answer);
      return true;
    },
    async close() {
      await Promise.all([...open.values()].map((http) => http.close()));
    },
  };
}

/** The address of Heat with the project in it. */
export function heatBase(params: HeatProvisioner, signedIn: SignedIn): string {
  if (!params.orchestrationUrl) return endpointOf(signedIn, params, 'orchestration');
  const given = params.orchestrationUrl.replace(/\/+$/, '');
  const filled = given.replace(/[%$]\((project|tenant)_id\)s/, signedIn.project.id);
  if (filled !== given) return filled;
  return /\/v1$/.test(given) ? `${given}/${signedIn.project.id}` : `${given}/v1/${signedIn.project.id}`;
}

/** The Fault for a 404 that is not about a stack. */
export function notHeat(answer: HttpAnswer): Fault {
  return new Fault('unreachable', 'The address of Heat is not that of a Heat.', {
    whose: 'admin',
    detail: scrub(`HTTP ${answer.status}\n${JSON.stringify(answer.body)}`),
    next: 'Ask an admin to check the region and the addresses of the provisioner.',
  });
}
