import { Secret } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';
import type { ShamirSealManager } from '@coffer/barrier';
import { GenerateRoot, Rekey } from '@coffer/core-system';
import type { NodeServices } from './services.ts';

/** Attempts to change the unseal key or to make a root token: the active node's alone, they end with its leadership. */
export class KeyAttempts {
  readonly #seal: ShamirSealManager;
  readonly #random: Random;
  readonly #services: () => NodeServices;
  #rekey: Rekey | undefined;
  #generateRoot: GenerateRoot | undefined;

  /** @param services throws while sealed */
  constructor(seal: ShamirSealManager, random: Random, services: () => NodeServices) {
    this.#seal = seal;
    this.#random = random;
    this.#services = services;
  }

  rekey(): Rekey {
    return (this.#rekey ??= new Rekey(this.#seal, this.#random));
  }

  generateRoot(): GenerateRoot {
    return (this.#generateRoot ??= new GenerateRoot({
      seal: this.#seal,
      random: this.#random,
      createRootToken: async (id) => {
        const { transactor, tokens } = this.#services();
        await transactor.run((tx) => tokens.createRoot(tx, id));
      },
      revokeRootToken: async (id) => {
        const { tokens } = this.#services();
        await tokens.revokeTree(tokens.saltedIdOf(new Secret(id)));
      },
    }));
  }

  drop(): void {
    this.#rekey = undefined;
    this.#generateRoot = undefined;
  }
}
