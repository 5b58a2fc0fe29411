import { scheduleSettings } from './schedule-settings.ts';

describe('the settings of schedules', () => {
  it('leave open what is not said', () => {
    expect(scheduleSettings({})).toEqual({
      seed: 1,
      schedules: undefined,
      steps: undefined,
      workers: undefined,
      trace: false,
    });
    expect(scheduleSettings({ SIM_SCHEDULES: '' }).schedules).toBeUndefined();
  });

  it('run one schedule where a seed is named, unless told otherwise', () => {
    expect(scheduleSettings({ SIM_SEED: '17', SIM_STEPS: '900', SIM_WORKERS: '2', SIM_TRACE: '1' })).toEqual({
      seed: 17,
      schedules: 1,
      steps: 900,
      workers: 2,
      trace: true,
    });
    expect(scheduleSettings({ SIM_SEED: '17', SIM_SCHEDULES: '100_000' }).schedules).toBe(100_000);
  });

  it('refuse what is no whole number above 0', () => {
    for (const text of ['0', '-1', '1.5', 'ten', '1e400']) {
      expect(() => scheduleSettings({ SIM_STEPS: text })).toThrow(RangeError);
    }
  });
});
