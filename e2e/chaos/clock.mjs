const origin = process.hrtime.bigint();

/** Nanoseconds of one monotonic clock. */
export const nowNs = () => Number(process.hrtime.bigint() - origin);
