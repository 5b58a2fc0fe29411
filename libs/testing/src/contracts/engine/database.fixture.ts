import { whenReady } from '@coffer/kernel';
import { badRequest, collection, defineIntent, definePath, defineSecretType, field } from '@coffer/sdk';
import type { EngineType, MountContext } from '@coffer/sdk';
import { hashing } from './hash.work.fixture.ts';

interface User {
  readonly name: string;
}

/** A database that is asked for users, and can be down. */
export class FakeDatabase {
  readonly users = new Set<string>();
  isDown = false;

  create(name: string): Promise<void> {
    if (this.isDown) return Promise.reject(new Error('the database is down'));
    this.users.add(name);
    return Promise.resolve();
  }

  drop(name: string): Promise<void> {
    if (this.isDown) return Promise.reject(new Error('the database is down'));
    this.users.delete(name);
    return Promise.resolve();
  }
}

const roles = collection<{ readonly ttlSeconds: number }>('role/');

/** A mount with a cache of role names and a count of its rounds. */
export class Database {
  readonly mount: MountContext;
  readonly outside: FakeDatabase;
  readonly changed: string[] = [];
  rounds = 0;

  constructor(mount: MountContext, outside: FakeDatabase) {
    this.mount = mount;
    this.outside = outside;
  }
}

const makingUser = defineIntent('user', {
  undo: ({ outside }: Database, { name }: User) => outside.drop(name),
});

const userSecret = defineSecretType('user', {
  renew: (_: Database, _user: User, { incrementSeconds }) => ({ ttlSeconds: incrementSeconds }),
  revoke: ({ outside }: Database, { name }: User) => outside.drop(name),
});

const rolePath = definePath('roles/:name', {
  fields: { name: field.name('Name.'), ttl: field.duration('TTL.', { default: 60 }) },
  help: { synopsis: 'Roles.' },
  exists: (_: Database, { name }, { view }) => roles.has(view, name),
  update: {
    summary: 'Write a role',
    handler: (_: Database, { name, ttl }, { view }) => {
      roles.put(view, name, { ttlSeconds: ttl });
      return undefined;
    },
  },
});

const credsPath = definePath('creds/:name', {
  fields: { name: field.name('Name.'), fail: field.bool('Fail once the user is there.') },
  help: { synopsis: 'Makes users.' },
  read: {
    summary: 'A user',
    runs: 'active',
    handler: async (database: Database, { name, fail }, { view }) => {
      const role = await roles.get(view, name);
      if (!role) return undefined;
      const user = await database.mount.offLoop(hashing, database.mount.random.uuid());
      const intent = await makingUser.record(database.mount, { name: user });
      await database.outside.create(user);
      if (fail) throw badRequest('the user cannot log in');
      intent.settle(view);
      return { data: { user }, secret: userSecret.grant({ name: user }, { ttlSeconds: role.ttlSeconds }) };
    },
  },
});

const roundsPath = definePath('rounds', {
  fields: {},
  help: { synopsis: 'Rounds.' },
  read: {
    summary: 'Rounds',
    handler: ({ rounds }: Database, _fields, { view }) =>
      whenReady(roles.list(view), (names) => ({
        raw: { status: 200, contentType: 'text/plain', body: `${String(rounds)} ${names.join()}` },
      })),
  },
});

/** All that the kit gives an engine, in one. */
export class DatabaseEngine implements EngineType<Database> {
  readonly help = { synopsis: 'Users.', description: 'Makes users in a database.' };
  readonly paths = [rolePath, credsPath, roundsPath];
  readonly secretTypes = [userSecret];
  readonly intentTypes = [makingUser];
  readonly outside = new FakeDatabase();

  create(mount: MountContext): Database {
    return new Database(mount, this.outside);
  }

  invalidate(database: Database, key: string): void {
    database.changed.push(key);
  }

  periodic(database: Database): Promise<void> {
    database.rounds += 1;
    return Promise.resolve();
  }
}
