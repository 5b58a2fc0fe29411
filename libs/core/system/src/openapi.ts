import type { Field, Fields, OperationDeclaration, PathDeclaration } from '@coffer/sdk';
import { pathTemplates } from './path-text.ts';
import type { PathTemplate } from './path-text.ts';

/** An OpenAPI 3.0 document (spec.openapis.org/oas/v3.0.2), as far as it is made here. */
export interface OpenApiDocument {
  readonly openapi: '3.0.2';
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, unknown>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

/** The paths of one mount. */
export interface OpenApiSource {
  /** `secret/`, or '' for paths relative to the mount. */
  readonly prefix: string;
  readonly tag: 'secrets' | 'auth' | 'system' | 'identity';
  readonly paths: readonly PathDeclaration<unknown>[];
}

type Schema = Readonly<Record<string, unknown>>;
type Declared = OperationDeclaration<unknown, Fields>;

const STRING: Schema = { type: 'string' };
const SCHEMAS: Readonly<Record<Field<unknown>['kind'], Schema>> = {
  string: STRING,
  'lower-case-string': STRING,
  name: STRING,
  int: { type: 'integer' },
  float: { type: 'number' },
  bool: { type: 'boolean' },
  duration: { type: 'string', format: 'duration' },
  'signed-duration': { type: 'string', format: 'duration' },
  'comma-strings': { type: 'array', items: STRING },
  'comma-ints': { type: 'array', items: { type: 'integer' } },
  strings: { type: 'array', items: STRING },
  slice: { type: 'array', items: {} },
  map: { type: 'object' },
  'key-values': { type: 'object', additionalProperties: STRING },
  time: { type: 'string', format: 'date-time' },
  header: { type: 'object' },
  any: {},
};

/** One field as a schema. */
export function schemaOf(field: Field<unknown>): Schema {
  return {
    ...SCHEMAS[field.kind],
    description: field.description,
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(field.allowedValues ? { enum: field.allowedValues } : {}),
    ...(field.deprecated ? { deprecated: true } : {}),
    ...(field.secret ? { 'x-vault-displayAttrs': { sensitive: true } } : {}),
  };
}

/** Makes a document; names of operations and schemas are unique in it. */
export function openApiDocument(version: string, sources: readonly OpenApiSource[]): OpenApiDocument {
  const maker = new DocumentMaker();
  for (const source of sources) for (const path of source.paths) maker.add(source, path);
  return {
    openapi: '3.0.2',
    info: {
      title: 'Coffer API',
      description: 'The HTTP API. All paths are below /v1/.',
      version,
    },
    paths: maker.paths(),
    components: { schemas: maker.schemas() },
  };
}

class DocumentMaker {
  readonly #paths = new Map<string, Record<string, unknown>>();
  readonly #schemas = new Map<string, Schema>();
  readonly #ids = new Set<string>();

  paths(): Record<string, unknown> {
    return sorted(this.#paths);
  }

  schemas(): Record<string, unknown> {
    return sorted(this.#schemas);
  }

  add(source: OpenApiSource, path: PathDeclaration<unknown>): void {
    if (path.hidden) return;
    for (const template of pathTemplates(path.pattern)) {
      const key = `/${source.prefix}${template.template}`;
      // `config/:name` and `config/:path+` are one template: what is there already stays.
      const item = this.#paths.get(key) ?? pathItem(path, template);
      this.#paths.set(key, item);
      this.#addOperations(item, source, path, template);
    }
  }

  #addOperations(
    item: Record<string, unknown>,
    source: OpenApiSource,
    path: PathDeclaration<unknown>,
    template: PathTemplate,
  ): void {
    const { read, update, patch, list, scan } = path.operations;
    const add = (method: string, verb: string, declared: Declared | undefined, more: object): void => {
      if (!declared || item[method] !== undefined) return;
      const operationId = this.#nameFor([...source.prefix.split('/'), verb, ...template.words]);
      item[method] = { summary: declared.summary, ...described(declared), operationId, tags: [source.tag], ...more };
    };
    add('get', read ? 'read' : 'list', read ?? list ?? scan, {
      ...(read ? queryOf(path, template, list !== undefined) : listQuery(list ? 'list' : 'scan')),
      responses: responsesOf(read ?? list ?? scan, 200),
    });
    const body = (verb: string): object => this.#bodyOf(source, path, template, verb);
    add('post', 'write', update, { ...(update ? body('write') : {}), responses: responsesOf(update, 200) });
    add('patch', 'patch', patch, { ...(patch ? body('patch') : {}), responses: responsesOf(patch, 200) });
    add('delete', 'delete', path.operations.delete, { responses: responsesOf(path.operations.delete, 204) });
  }

  #bodyOf(source: OpenApiSource, path: PathDeclaration<unknown>, template: PathTemplate, verb: string): object {
    const fields = Object.entries(path.fields).filter(([name]) => !template.parameters.includes(name));
    if (fields.length === 0) return {};
    const base = pascal([...source.prefix.split('/'), verb, ...template.words, 'request']);
    let name = base;
    for (let count = 2; this.#schemas.has(name); count++) name = base + String(count);
    const required = fields.filter(([, field]) => field.required).map(([fieldName]) => fieldName);
    this.#schemas.set(name, {
      type: 'object',
      properties: Object.fromEntries(fields.map(([fieldName, field]) => [fieldName, schemaOf(field)])),
      ...(required.length > 0 ? { required } : {}),
    });
    return {
      requestBody: { content: { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } } },
    };
  }

  #nameFor(words: readonly string[]): string {
    const base = words
      .flatMap((word) => word.split(/[^A-Za-z0-9]+/))
      .filter((word) => word !== '')
      .join('-')
      .toLowerCase();
    let id = base;
    for (let count = 2; this.#ids.has(id); count++) id = `${base}-${String(count)}`;
    this.#ids.add(id);
    return id;
  }
}

function pathItem(path: PathDeclaration<unknown>, template: PathTemplate): Record<string, unknown> {
  const parameters = template.parameters.map((name) => ({
    name,
    in: 'path',
    required: true,
    description: path.fields[name]?.description ?? '',
    schema: STRING,
  }));
  return {
    description: path.help.synopsis,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(path.sudo === undefined ? {} : { 'x-vault-sudo': true }),
    ...(path.unauthenticated ? { 'x-vault-unauthenticated': true } : {}),
    ...(path.exists ? { 'x-vault-createSupported': true } : {}),
  };
}

function described({ description }: Declared): object {
  return description === undefined ? {} : { description };
}

/** Fields that a read takes from the query: those which no other operation of the path would read from a body. */
function queryOf(path: PathDeclaration<unknown>, template: PathTemplate, mayList: boolean): object {
  const hasBody = path.operations.update !== undefined || path.operations.patch !== undefined;
  const parameters: object[] = hasBody
    ? []
    : Object.entries(path.fields)
        .filter(([name]) => !template.parameters.includes(name))
        .map(([name, field]) => ({ name, in: 'query', description: field.description, schema: schemaOf(field) }));
  if (mayList) {
    parameters.push({ name: 'list', in: 'query', description: 'Return a list if `true`', schema: STRING });
  }
  return parameters.length > 0 ? { parameters } : {};
}

function listQuery(name: 'list' | 'scan'): object {
  return {
    parameters: [
      {
        name,
        in: 'query',
        description: 'Must be set to `true`',
        required: true,
        schema: { type: 'string', enum: ['true'] },
      },
    ],
  };
}

function responsesOf(declared: Declared | undefined, usual: number): object {
  if (!declared?.responses) {
    return { [String(usual)]: { description: usual === 204 ? 'empty body' : 'OK' } };
  }
  return Object.fromEntries(
    Object.entries(declared.responses).map(([status, { description, fields }]) => [
      status,
      {
        description,
        ...(fields
          ? {
              content: {
                'application/json': {
                  schema: {
                    type: 'object',
                    properties: Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, schemaOf(f)])),
                  },
                },
              },
            }
          : {}),
      },
    ]),
  );
}

function pascal(words: readonly string[]): string {
  return words
    .flatMap((word) => word.split(/[^A-Za-z0-9]+/))
    .filter((word) => word !== '')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** Plain object in the order of its names; mounts are named by users, hence no prototype. */
function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  const result = Object.create(null) as Record<string, T>;
  for (const [key, value] of [...map].sort(([a], [b]) => (a < b ? -1 : 1))) result[key] = value;
  return result;
}
