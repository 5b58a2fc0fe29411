import { systemDns } from '@coffer/cluster';
import type { Directories } from '@coffer/cluster';
import { accessOfPod, runningPods } from './kubernetes-pods.ts';

/** Where `auto_join` finds nodes. */
export const systemDirectories: Directories = {
  ...systemDns,
  pods: async (query) => runningPods(query, await accessOfPod(process.env)),
};
