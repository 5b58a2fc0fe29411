/** One gauge of a node: its name in dotted form, what it tells, and its value now. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

/** What a node measures about itself, read when asked for. Bytes and seconds, as the names say. */
export function nodeGauges(state: {
  readonly unsealed: boolean;
  readonly active: boolean;
  readonly inFlight: number;
}): readonly Gauge[] {
  const memory = process.memoryUsage();
  return [
    { name: 'vault.core.unsealed', help: '1 while the node is unsealed.', value: Number(state.unsealed) },
    { name: 'vault.core.active', help: '1 while the node is active.', value: Number(state.active) },
    { name: 'vault.core.in_flight_requests', help: 'Requests being answered.', value: state.inFlight },
    { name: 'vault.runtime.sys_bytes', help: 'Resident memory, in bytes.', value: memory.rss },
    { name: 'vault.runtime.alloc_bytes', help: 'Heap in use, in bytes.', value: memory.heapUsed },
    { name: 'vault.runtime.uptime_seconds', help: 'Age of the process, in seconds.', value: process.uptime() },
  ];
}

/** Prometheus text format, version 0.0.4. */
export function asPrometheus(gauges: readonly Gauge[]): string {
  return gauges
    .map(({ name, help, value }) => {
      const series = name.replaceAll('.', '_');
      return `# HELP ${series} ${help}\n# TYPE ${series} gauge\n${series} ${value}\n`;
    })
    .join('');
}

/** The JSON of `sys/metrics`, as Vault's in-memory sink writes it. */
export function asMetricsJson(gauges: readonly Gauge[], nowMs: number): string {
  return JSON.stringify({
    Timestamp: new Date(nowMs)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ' +0000 UTC'),
    Gauges: gauges.map(({ name, value }) => ({ Name: name, Value: value, Labels: {} })),
    Points: [],
    Counters: [],
    Samples: [],
  });
}
