import { sameOrigin } from './same-origin.ts';

describe('sameOrigin', () => {
  it.each([
    ['https://a:8200', 'https://a:8200/', true],
    ['https://a:443/v1', 'https://A', true],
    ['https://a:8200', 'http://a:8200', false],
    ['https://a:8200', 'https://a:8210', false],
    ['https://a:8200', '', false],
    ['', '', false],
  ])('of %s and %s is %s', (one, other, same) => {
    expect(sameOrigin(one, other)).toBe(same);
  });
});
