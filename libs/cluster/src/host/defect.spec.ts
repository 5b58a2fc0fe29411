import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

it('ends the process when an invariant of raft is broken', async () => {
  const path = await mkdtemp(join(tmpdir(), 'coffer-defect-'));
  const script = join(import.meta.dirname, 'defect.fixture.ts');
  const args = ['--conditions=@coffer/source', '--no-warnings', script, path];
  const [code, complaints] = await new Promise<[unknown, string]>((resolve) => {
    execFile(process.execPath, args, (error, _stdout, stderr) => resolve([error?.code, stderr]));
  });
  await rm(path, { recursive: true, force: true });
  expect(code).toBe(1);
  expect(complaints).toContain('AssertionFailure: the sky stays up');
});
