import type { Command } from '../command.ts';

const server: Command = {
  name: 'server',
  synopsis: 'Start a Coffer server',
  usage: '[options]',
  help: 'Starts a server that answers API requests.\n\n    $ vault server -config=/etc/vault/config.hcl\n\nA development server keeps everything in memory and starts unsealed:\n\n    $ vault server -dev -dev-root-token-id="root"\n\nOptions: -config, -dev, -dev-root-token-id, -dev-listen-address, -dev-tls, -dev-tls-cert-dir, -dev-no-store-token, -dev-no-kv, -dev-kv-v1, -log-level, -log-format, -test.',
  flags: 'own',
  arguments: { min: 0, max: Number.POSITIVE_INFINITY },
  async run({ args }) {
    const { runServer } = await import('@coffer/server');
    return runServer(args);
  },
};

export const serverCommands: readonly Command[] = [server];
