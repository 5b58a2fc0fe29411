import { EC2Client, paginateDescribeInstances } from '@aws-sdk/client-ec2';
import type { Instance } from '@aws-sdk/client-ec2';
import type { InstanceDiscovery, Place } from '@coffer/cluster';
import { assertNever } from '@coffer/kernel';
import { reasonOf } from './reason-of.ts';

const ASK_MS_MAX = 10_000;
const ATTEMPTS_MAX = 2;
const INSTANCES_AT_ONCE = 200;
/** More are not read: so many nodes are never joined. */
const INSTANCES_MAX = 2000;
/** Of the metadata service, milliseconds: it is on this machine, or nowhere. */
const METADATA_MS_MAX = 2000;

/**
 * The running EC2 instances that have the tag. Who asks must be allowed `ec2:DescribeInstances`. Without credentials of
 * their own they are those of the environment (variables, shared files, web identity, the role of this instance), looked
 * up anew each time.
 *
 * @throws Error where the API does not answer as expected; it carries no secret
 */
export async function runningInstances(query: InstanceDiscovery): Promise<readonly Place[]> {
  const client = clientFor(query);
  const places: Place[] = [];
  let seen = 0;
  try {
    const pages = paginateDescribeInstances(
      { client, pageSize: INSTANCES_AT_ONCE },
      {
        Filters: [
          { Name: `tag:${query.tagKey}`, Values: [query.tagValue] },
          { Name: 'instance-state-name', Values: ['running'] },
        ],
      },
      { abortSignal: AbortSignal.timeout(ASK_MS_MAX) },
    );
    for await (const { Reservations: reservations = [] } of pages) {
      const instances = reservations.flatMap(({ Instances: some = [] }) => some);
      places.push(...instances.flatMap((instance) => placesOf(instance, query)));
      seen += instances.length;
      if (seen >= INSTANCES_MAX) break;
    }
  } catch (error) {
    throw explained(error);
  } finally {
    client.destroy();
  }
  return places;
}

function clientFor({ region, endpoint, credentials }: InstanceDiscovery): EC2Client {
  // The client asks for it several times.
  let here: Promise<string> | undefined;
  return new EC2Client({
    maxAttempts: ATTEMPTS_MAX,
    region: region ?? (() => (here ??= regionHere())),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey.reveal(),
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken.reveal() }),
          },
        }),
  });
}

/** As the environment says, or where this instance runs. */
async function regionHere(): Promise<string> {
  const named = process.env['AWS_REGION'] || process.env['AWS_DEFAULT_REGION'];
  if (named) return named;
  const { MetadataService } = await import('@aws-sdk/ec2-metadata-service');
  try {
    const service = new MetadataService({
      httpOptions: { timeout: METADATA_MS_MAX },
      retries: 1,
      ec2MetadataV1Disabled: true,
    });
    return (await service.request('latest/meta-data/placement/region', {})).trim();
  } catch (error) {
    throw new Error(`there is no region: set region=… or AWS_REGION; this is no EC2 instance (${reasonOf(error)})`);
  }
}

function placesOf(instance: Instance, { addressType }: InstanceDiscovery): readonly Place[] {
  return addressesOf(instance, addressType).flatMap((host) => (host ? [{ host }] : []));
}

function addressesOf(instance: Instance, type: InstanceDiscovery['addressType']): readonly (string | undefined)[] {
  switch (type) {
    case 'private_v4':
      return [instance.PrivateIpAddress];
    case 'public_v4':
      return [instance.PublicIpAddress];
    case 'public_v6':
      return (instance.NetworkInterfaces ?? []).flatMap(({ Ipv6Addresses: addresses = [] }) =>
        addresses.map(({ Ipv6Address: address }) => address),
      );
    default:
      return assertNever(type, 'address type');
  }
}

/** By name and message of the service: who may not do what. Of signatures it quotes what was signed, tokens included. */
function explained(error: unknown): Error {
  const { name, $metadata: metadata } = error as {
    readonly name?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = metadata?.httpStatusCode;
  if (status === undefined) return new Error(`EC2 cannot be asked: ${reasonOf(error)}`);
  const said = name?.includes('Signature') ? '' : `: ${reasonOf(error).slice(0, 300)}`;
  return new Error(`EC2 answered ${String(status)} ${name ?? ''}${said}`);
}
