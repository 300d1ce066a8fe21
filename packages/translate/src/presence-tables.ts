import type { PidfShow } from '@stox/sip'

/** What a `show` is in rich presence; RFC 8048 leaves it out of scope. @see mapping D.7 */
export const ACTIVITY_FOR_SHOW = {
  none: undefined,
  chat: undefined,
  away: 'away',
  xa: 'away',
  dnd: 'busy',
} as const satisfies Record<PidfShow | 'none', string | undefined>

/** First row that has one of the activities wins; any other activity says nothing. @see RFC 4480 §3.2, mapping D.7 */
export const SHOW_FOR_ACTIVITY: readonly { readonly show: PidfShow; readonly activities: ReadonlySet<string> }[] = [
  {
    show: 'dnd',
    activities: new Set(['busy', 'on-the-phone', 'meeting', 'appointment', 'presentation', 'performance', 'worship']),
  },
  { show: 'xa', activities: new Set(['vacation', 'holiday', 'permanent-absence', 'sleeping']) },
  {
    show: 'away',
    activities: new Set([
      'away',
      'breakfast',
      'lunch',
      'dinner',
      'meal',
      'in-transit',
      'steering',
      'travel',
      'shopping',
    ]),
  },
]

/** The `extended` status some servers write. */
export const SHOW_FOR_EXTENDED: Readonly<Record<string, PidfShow | 'unavailable' | undefined>> = {
  away: 'away',
  busy: 'dnd',
  offline: 'unavailable',
}

/** Status words that some servers send in place of rich presence; only where a domain wants them read. @see mapping D.7 */
export const SHOW_FOR_NOTE: Readonly<Record<string, PidfShow | undefined>> = {
  'on the phone': 'dnd',
  busy: 'dnd',
  'busy (dnd)': 'dnd',
  'do not disturb': 'dnd',
  away: 'away',
}

/** A negative priority is not mapped; 0 is 0, 127 is 1, and each between has a value of its own. @see RFC 8048 §4.2, note 4 */
export const priorityToContact = (priority: number): number | undefined =>
  priority < 0 ? undefined : Math.floor((priority * 1000) / 127) / 1000

export const contactToPriority = (q: number): number => Math.round(Math.min(1, Math.max(0, q)) * 127)
