import { Turns, silentLog } from '@coffer/kernel';
import { StateReplacement } from './state-replacement.ts';

function world() {
  const steps: string[] = [];
  const state = { serves: true, sealed: false, startFails: false };
  const turns = new Turns();
  const replacement = new StateReplacement({
    turns,
    log: silentLog,
    serves: () => state.serves,
    sealed: () => state.sealed,
    cutOff: () => void steps.push('cut off'),
    stopServices: () => {
      steps.push('stop');
      return Promise.resolve();
    },
    startServices: () => {
      steps.push('start');
      return state.startFails ? Promise.reject(new Error('no mounts')) : Promise.resolve();
    },
    seal: () => {
      steps.push('seal');
      state.sealed = true;
    },
    wake: () => void steps.push('wake'),
    leave: () => {
      steps.push('leave');
      return Promise.resolve();
    },
  });
  return { steps, state, turns, replacement };
}

describe('another state in the place of the one that is served', () => {
  it('cuts off at once what was made from the former, and starts anew in its turn', async () => {
    const { steps, turns, replacement } = world();
    let free: () => void = () => undefined;
    void turns.take(() => new Promise<void>((resolve) => (free = resolve)));
    await Promise.resolve();
    replacement.replaced();
    expect(steps).toEqual(['cut off']);
    expect(replacement.underWay).toBe(true);
    free();
    await replacement.served;
    expect(steps).toEqual(['cut off', 'stop', 'start', 'wake']);
    expect(replacement.underWay).toBe(false);
    expect(replacement.mustLeave).toBe(false);
  });

  it('is under way until the last of several is served', async () => {
    const { steps, replacement } = world();
    replacement.replaced();
    replacement.replaced();
    await replacement.served;
    expect(steps.filter((step) => step === 'start')).toHaveLength(2);
    expect(replacement.underWay).toBe(false);
  });

  it('seals the node whose barrier cannot follow, which leaves in a turn of its own', async () => {
    const { steps, state, turns, replacement } = world();
    state.sealed = true;
    replacement.replaced();
    await replacement.served;
    await turns.take(() => Promise.resolve());
    expect(steps).toEqual(['cut off', 'stop', 'stop', 'seal', 'wake', 'leave']);
    expect(replacement.mustLeave).toBe(false);
  });

  it('is left before unsealing, once', async () => {
    const { steps, state, turns, replacement } = world();
    state.sealed = true;
    replacement.replaced();
    // Queued before the node knows that it must leave.
    await turns.take(() => replacement.leave());
    await turns.take(() => Promise.resolve());
    expect(steps.filter((step) => step === 'leave')).toHaveLength(1);
  });

  it('seals the node where it cannot be served', async () => {
    const { steps, state, turns, replacement } = world();
    state.startFails = true;
    replacement.replaced();
    await replacement.served;
    await turns.take(() => Promise.resolve());
    expect(steps).toEqual(['cut off', 'stop', 'start', 'seal', 'stop', 'seal', 'wake', 'leave']);
    expect(replacement.underWay).toBe(false);
  });

  it('is nothing to a node that is sealed already', () => {
    const { steps, state, replacement } = world();
    state.serves = false;
    state.sealed = true;
    replacement.replaced();
    expect(steps).toEqual([]);
    expect(replacement.underWay).toBe(false);
  });
});
