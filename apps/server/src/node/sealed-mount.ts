import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { EngineType } from '@coffer/sdk';
import type { LiveMount } from '@coffer/core-api';
import { NO_TUNING } from '@coffer/core-mounts';

/** `sys/` as a sealed node knows it: it has no storage, and of its paths only those declared for it are served. */
export function sealedSystemMount(engine: EngineType): LiveMount {
  const entry: LiveMount['entry'] = Object.freeze({
    table: 'secret',
    namespace: ROOT_NAMESPACE,
    path: 'sys/',
    type: 'system',
    description: '',
    uuid: '',
    accessor: '',
    options: {},
    local: false,
    sealWrap: false,
    externalEntropyAccess: false,
    pluginVersion: '',
    tuning: NO_TUNING,
    tainted: false,
  });
  // The system engine's handlers look at neither instance nor mount context.
  return {
    entry,
    type: engine,
    engine: null,
    context: Object.freeze({}) as LiveMount['context'],
    prefix: 'sys/',
    storagePrefix: 'sys/',
  };
}
