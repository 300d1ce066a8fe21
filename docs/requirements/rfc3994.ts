import { deviates, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

/** Typing, both as who tells of it and as who is told. */
export const RFC_3994: readonly Requirement[] = [
  ...section('3994-3.2', 'RFC 3994 §3.2, sender', [
    ['compose', 'table', 'Who begins to compose is told of as active.'],
    ['content', 'table', 'A message ends that, and nothing else is said.'],
    [
      'idle',
      'table',
      'Who does nothing for a while is told of as idle.',
      deviates('how long that is his own client knows, which says paused or inactive'),
    ],
    [
      'refresh',
      'table',
      'Who goes on is told of as active again before the refresh interval is over.',
      deviates(
        'when his client says so again: an XMPP client says composing once, and who has gone without a word is not told of for ever',
      ),
    ],
    ['interval', 'should', 'The refresh interval is at least 60 s.'],
  ]),
  ...section('3994-3.3', 'RFC 3994 §3.3, receiver', [
    ['active', 'table', 'active: he composes.'],
    ['idle', 'table', 'idle: he does not any more.'],
    ['content', 'table', 'A message: he does not any more.'],
    ['refresh', 'table', 'When the refresh interval is over, 120 s where none is named: he does not any more.'],
  ]),
  ...section('3994-3.5', 'RFC 3994 §3.5', [[1, 'must', 'A state that is not known is idle.']]),
  ...section('3994-4', 'RFC 3994 §4', [
    [
      1,
      'must',
      'Who has answered 415 is sent no more.',
      deviates('for a day, or until he sends one himself: people change their clients'),
    ],
  ]),
  ...section('3994-7', 'RFC 3994 §7', [
    [1, 'should', 'Outside of a session typing is told in answer to a message only.'],
  ]),
]
