import { systemDns } from '@coffer/cluster';
import type { Directories } from '@coffer/cluster';

/** Where `auto_join` finds nodes. What speaks to clouds is large, and loaded when one is asked for the first time. */
export const systemDirectories: Directories = {
  ...systemDns,
  pods: async (query) => (await import('../discovery/kubernetes-pods.ts')).runningPods(query),
  instances: async (query) => (await import('../discovery/aws-instances.ts')).runningInstances(query),
};
