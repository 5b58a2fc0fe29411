import { AUTOPILOT_DEFAULTS } from '@coffer/storage';
import { decodeAutopilot, encodeAutopilot, settingsOf } from './autopilot-settings.ts';

it('has defaults for what was not set, and for zero', () => {
  expect(settingsOf(decodeAutopilot(undefined))).toEqual(AUTOPILOT_DEFAULTS);
  const stored = decodeAutopilot(encodeAutopilot({ maxTrailingLogs: 0, minQuorum: 5, cleanupDeadServers: true }));
  expect(settingsOf(stored)).toEqual({
    ...AUTOPILOT_DEFAULTS,
    minQuorum: 5,
    cleanupDeadServers: true,
  });
});
