import type { Request, Response } from 'express';

/** What is not the API: the root leads to the UI, everything unknown is not there, in the API's own form. */
export function pages(request: Request, response: Response): void {
  response.setHeader('cache-control', 'no-store');
  if (request.path === '/' && (request.method === 'GET' || request.method === 'HEAD')) {
    response.redirect(307, '/ui/');
    return;
  }
  response.status(404).type('application/json').send('{"errors":[]}\n');
}
