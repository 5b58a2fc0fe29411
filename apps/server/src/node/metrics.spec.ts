import { describe, expect, it } from '@jest/globals';
import { asMetricsJson, asPrometheus, nodeGauges } from './metrics.ts';

describe('metrics', () => {
  const gauges = nodeGauges({ unsealed: true, active: false, inFlight: 3 });

  it('are one series each in the text format', () => {
    const lines = asPrometheus(gauges).split('\n');
    expect(lines).toContain('# TYPE vault_core_unsealed gauge');
    expect(lines).toContain('vault_core_unsealed 1');
    expect(lines).toContain('vault_core_active 0');
    expect(lines).toContain('vault_core_in_flight_requests 3');
    expect(lines.filter((line) => line.startsWith('# HELP'))).toHaveLength(gauges.length);
  });

  it('are gauges in JSON, with the time', () => {
    const told = JSON.parse(asMetricsJson(gauges, Date.UTC(2030, 0, 2, 3, 4, 5))) as {
      Timestamp: string;
      Gauges: { Name: string; Value: number }[];
    };
    expect(told.Timestamp).toBe('2030-01-02 03:04:05 +0000 UTC');
    expect(told.Gauges.find(({ Name }) => Name === 'vault.core.in_flight_requests')?.Value).toBe(3);
  });
});
