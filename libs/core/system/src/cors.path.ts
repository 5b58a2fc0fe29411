import { badRequest, checkHeaderName, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { CORS_KEY, CORS_STANDARD_HEADERS } from './cors-settings.ts';
import type { CorsConfig } from './cors-settings.ts';

/** `sys/config/cors`. */
export const corsPaths: readonly PathDeclaration<unknown>[] = [
  definePath('config/cors', {
    fields: {
      enable: field.bool('Whether other origins may use the API at all.'),
      allowed_origins: field.commaStrings('Origins that may use the API, or "*".'),
      allowed_headers: field.commaStrings('Headers that they may send besides the usual ones.'),
      allow_credentials: field.bool('Whether browsers may send what they know of the user.', { default: false }),
    },
    help: { synopsis: 'Which web pages of other origins may use the API.' },
    sudo: true,
    read: {
      summary: 'The CORS settings',
      handler: async (_: unknown, _fields, { view }): Promise<Response> => {
        const config = await view.getJson<CorsConfig>(CORS_KEY);
        const data = config
          ? {
              enabled: true,
              allowed_origins: config.allowedOrigins,
              allowed_headers: config.allowedHeaders,
              allow_credentials: config.allowCredentials ?? false,
            }
          : { enabled: false };
        return { alsoAtTopLevel: true, data };
      },
    },
    update: {
      summary: 'Turn CORS on',
      handler: (_: unknown, fields, { view }): undefined => {
        const origins = fields.allowed_origins ?? [];
        if (origins.length === 0) throw badRequest('at least one origin or the wildcard must be provided');
        if (origins.length > 1 && origins.includes('*')) {
          throw badRequest("to allow all origins the '*' must be the only value for allowed_origins");
        }
        if (fields.allow_credentials && origins.includes('*'))
          throw badRequest('allow_credentials needs origins by their names, not "*"');
        const headers = fields.allowed_headers ?? [];
        headers.forEach(checkHeaderName);
        view.putJson(CORS_KEY, {
          allowedOrigins: origins,
          allowedHeaders: [...CORS_STANDARD_HEADERS, ...headers],
          allowCredentials: fields.allow_credentials,
        } satisfies CorsConfig);
        return undefined;
      },
    },
    delete: {
      summary: 'Turn CORS off',
      handler: (_: unknown, _fields, { view }): undefined => {
        view.delete(CORS_KEY);
        return undefined;
      },
    },
  }),
];
