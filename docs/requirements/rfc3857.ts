import { deviates, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

/** What is asked of who subscribes; we tell nobody who watches. */
export const RFC_3857: readonly Requirement[] = [
  ...section('3857-4.1', 'RFC 3857 §4.1', [[1, 'must', 'The event is that of the watched package with .winfo.']]),
  ...section('3857-4.5', 'RFC 3857 §4.5', [[1, 'must', 'application/watcherinfo+xml is accepted.']]),
  ...section('3857-4.6', 'RFC 3857 §4.6', [
    [1, 'should', 'A user is asked about as himself: that is what a server lets everybody do.'],
  ]),
]

export const RFC_3858: readonly Requirement[] = [
  ...section('3858-3', 'RFC 3858 §3', [
    [1, 'must', 'Elements and attributes of other namespaces are skipped.'],
    [2, 'must', 'A watcher has an id, a status of four, an event, and a URI.'],
  ]),
  ...section('3858-4', 'RFC 3858 §4', [
    [1, 'must', 'A full document replaces what was known.'],
    [
      2,
      'must',
      'A partial document with the next version changes the watchers that it names; who has ended is dropped.',
    ],
    [3, 'should', 'When a version is missed, the full state is asked for by a refresh.'],
    [
      4,
      'must',
      'A document with an older version is dropped.',
      deviates('a full one is taken: the CSeq of its NOTIFY has shown that it is newer'),
    ],
  ]),
]
