import { badRequest, checkHeaderName, definePath, field, listResponse } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';

/** Below the system mount: one entry a header, by its canonical name. */
const HEADERS = 'config/ui/headers/';

/** As HTTP libraries of Go spell names: `x-conf` is `X-Conf`. */
const canonical = (name: string): string =>
  name.toLowerCase().replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());

/** `sys/config/ui/headers`: headers added to answers of the web interface. */
export const uiHeaderPaths: readonly PathDeclaration<unknown>[] = [
  definePath('config/ui/headers', {
    fields: {},
    help: { synopsis: 'The headers that the web interface is served with.' },
    sudo: true,
    list: {
      summary: 'The names',
      handler: async (_: unknown, _fields, { view }): Promise<Response | undefined> =>
        listResponse(await view.list(HEADERS)),
    },
  }),
  definePath('config/ui/headers/:header', {
    fields: {
      header: field.name('The name of the header.'),
      values: field.strings('Its values.'),
      multivalue: field.bool('Answer with all values instead of the first.', { default: false }),
    },
    help: { synopsis: 'A header that the web interface is served with.' },
    sudo: true,
    read: {
      summary: 'The values',
      handler: async (_: unknown, { header, multivalue }, { view }): Promise<Response | undefined> => {
        const values = await view.getJson<readonly string[]>(HEADERS + canonical(header));
        if (!values) return undefined;
        return { data: multivalue ? { values } : { value: values[0] } };
      },
    },
    update: {
      summary: 'Set a header',
      handler: (_: unknown, { header, values }, { view }): Response => {
        if (!values || values.length === 0) throw badRequest('header and values must be specified');
        if (header.toLowerCase().startsWith('x-vault-')) throw badRequest('X-Vault headers cannot be set');
        checkHeaderName(header);
        const bad = values.find((value) => /[\r\n\0]/.test(value));
        if (bad !== undefined) throw badRequest('a header value holds no line breaks');
        view.putJson(HEADERS + canonical(header), values);
        // 200 with no data, as clients know it.
        if (canonical(header) !== 'Content-Security-Policy') return { status: 200 };
        return { status: 200, warnings: ['the default Content-Security-Policy is safe; this one may not be'] };
      },
    },
    delete: {
      summary: 'Remove a header',
      handler: (_: unknown, { header }, { view }): undefined => {
        view.delete(HEADERS + canonical(header));
        return undefined;
      },
    },
  }),
];
