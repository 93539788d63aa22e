import { z } from 'zod';
import type { Command, Context, Registry } from '../command.ts';
import { checkProvisioners, checkSecrets, checkStore, doctorCard, type Finding } from '../doctor.ts';
import { toCaller } from './common.ts';

/** The command with what it looks at. */
function doctorCommand(examine: (context: Context) => Promise<Finding[]>): Command {
  return {
    name: 'doctor',
    aliases: ['kqueen doctor', 'checkup', 'diagnose'],
    summary: 'Look for what is wrong with KQueen, and how to mend it',
    examples: ['doctor'],
    group: 'KQueen',
    policy: 'kqueen:doctor',
    changes: false,
    args: z.object({}),
    positional: [],
    run: async (context) => toCaller(doctorCard(await examine(context))),
  };
}

/** Without a process around it: the store, the keys and the provisioners. */
export const doctor: Command = doctorCommand(async (context) => {
  const parts = { ...context, org: context.caller.org };
  return [await checkStore(parts), await checkSecrets(parts), ...(await checkProvisioners(parts))];
});

/** The registry with a doctor that looks at the whole process. */
export function withDoctor(registry: Registry, examine: () => Promise<Finding[]>): Registry {
  const whole = doctorCommand(examine);
  const swap = (command: Command) => (command.name === doctor.name ? whole : command);
  return {
    all: registry.all.map(swap),
    find(name) {
      const found = registry.find(name);
      return found && swap(found);
    },
  };
}
