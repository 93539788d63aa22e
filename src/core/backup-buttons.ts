/** What to press after work on backups. */
import { madeBy, readBy } from './backup.ts';
import type { Button } from './card.ts';
import { formatLine } from './line.ts';
import type { Job } from './records.ts';

/** The way from a job that made or restored a backup to that backup. */
export function afterBackup(job: Pick<Job, 'work' | 'state'>): Button[] {
  const made = madeBy(job);
  const id = made?.id ?? readBy(job)?.id;
  if (id === undefined || job.state === 'Cancelled') return [];
  const line = (name: string) => formatLine(name, ['backup'], { backup: id });
  if (made) return job.state === 'Succeeded' ? [{ label: 'Show backup', command: line('backup show') }] : [];
  return [{ label: 'What differs', command: line('backup diff') }];
}
