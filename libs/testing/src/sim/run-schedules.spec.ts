import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('run-schedules.ts', import.meta.url));

async function run(env: Readonly<Record<string, string>>): Promise<string> {
  const args = ['--conditions=@coffer/source', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
  return stdout;
}

describe('the long form', () => {
  it('runs all schedules in worker processes, each once', async () => {
    const said = await run({ SIM_SCHEDULES: '120', SIM_STEPS: '200', SIM_WORKERS: '2' });
    expect(said).toMatch(/^120 of 120 schedules in .* 0 histories undecided$/mu);
    expect(said).not.toContain('to go on');
  }, 120_000);

  it('tells all that happens in one, which is the same in every process', async () => {
    const env = { SIM_SEED: '7', SIM_STEPS: '300', SIM_TRACE: '1' };
    const [said, again] = await Promise.all([run(env), run(env)]);
    const events = (text: string): string[] => text.split('\n').filter((line) => /^\d+: /u.test(line));
    expect(events(said).length).toBeGreaterThan(100);
    expect(events(again)).toEqual(events(said));
  }, 120_000);
});
