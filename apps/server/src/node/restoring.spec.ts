import { AssertionFailure, silentLog } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import { restoreOn } from './restoring.ts';
import type { RestoringNode } from './restoring.ts';

function world() {
  const steps: string[] = [];
  const state = { leads: true, rotates: undefined as Error | undefined };
  const step = (name: string): Promise<void> => Promise.resolve(void steps.push(name));
  const log: Log = { ...silentLog, warn: (message) => void steps.push(`warn: ${message}`) };
  const node: RestoringNode = {
    log,
    restoreKept: async (_, restore) => {
      await restore([['kept', new Uint8Array(0)]]);
    },
    served: () => step('served'),
    leads: () => state.leads,
    rotate: async () => {
      await step('rotate');
      if (state.rotates) throw state.rotates;
    },
  };
  const restored: string[] = [];
  const restore = async (kept: readonly (readonly [string, Uint8Array])[]): Promise<void> => {
    await step('restore');
    restored.push(...kept.map(([key]) => key));
  };
  return { steps, state, node, restored, restore };
}

describe('a restore on the active node', () => {
  it('keeps what is to be kept, waits until the state is served, and takes a new key', async () => {
    const { steps, node, restored, restore } = world();
    await restoreOn(node, undefined, restore);
    expect(steps).toEqual(['restore', 'served', 'rotate']);
    expect(restored).toEqual(['kept']);
  });

  it('leaves the key to a node that leads', async () => {
    const { steps, state, node, restore } = world();
    state.leads = false;
    await restoreOn(node, undefined, restore);
    expect(steps).toEqual(['restore', 'served']);
  });

  it('fails as the restore does, and does nothing more', async () => {
    const { steps, node } = world();
    const refused = new StorageError('epoch-lost', 'the lead was lost');
    await expect(restoreOn(node, undefined, () => Promise.reject(refused))).rejects.toBe(refused);
    expect(steps).toEqual([]);
  });

  it('is not told as undone where the lead is lost right after it', async () => {
    const { steps, state, node, restore } = world();
    state.rotates = new StorageError('epoch-lost', 'another node became active; nothing was written');
    await restoreOn(node, undefined, restore);
    expect(steps.slice(0, 3)).toEqual(['restore', 'served', 'rotate']);
    expect(steps[3]).toMatch(/^warn: .*could not be rotated/);
  });

  it('does not hide a defect', async () => {
    const { state, node, restore } = world();
    state.rotates = new AssertionFailure('a defect');
    await expect(restoreOn(node, undefined, restore)).rejects.toBe(state.rotates);
  });
});
