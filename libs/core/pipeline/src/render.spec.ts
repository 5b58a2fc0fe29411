import type { Request, Response } from '@coffer/sdk';
import { render } from './render.ts';

const request = { id: 'r1', operation: 'update' } as unknown as Request;
const rendered = (response: Response): Record<string, unknown> => {
  const { body } = render(request, { kind: 'answered', response, warnings: [], mountType: 'system' });
  return JSON.parse(String(body)) as Record<string, unknown>;
};

describe('an answer that has its data at the top level, too', () => {
  it('has the members there', () => {
    const data = { keys: ['a'], options: null };
    expect(rendered({ alsoAtTopLevel: true, data })).toMatchObject({ request_id: 'r1', data, ...data });
    expect(rendered({ data })).not.toHaveProperty('keys');
  });

  it('keeps its own members, whatever the data is named', () => {
    const data = { data: ['deny'], auth: ['root'], request_id: 'x', other: ['read'] };
    expect(rendered({ alsoAtTopLevel: true, data })).toMatchObject({
      request_id: 'r1',
      auth: null,
      data,
      other: ['read'],
    });
  });
});
