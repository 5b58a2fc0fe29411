/** Whether two texts are URLs of one scheme, host and port; false for what is no URL. */
export function sameOrigin(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && new URL(one).origin === new URL(other).origin;
}
