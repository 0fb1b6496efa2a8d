/** Takes passwords out of URIs: the last net before a log line or an event leaves the process. */
export function scrub(text: string): string {
  return text.replace(/(:\/\/[^\s:@/"]*):[^\s@/"]+@/g, '$1:***@');
}
