import type { Watcher, WatcherInfo, WatcherStatus } from '@stox/sip'
import { NO_WATCHERS, forNewDialog, takeWatcherInfo } from '../src/index.ts'
import type { WatcherListState } from '../src/index.ts'

const watcher = (id: string, status: WatcherStatus): Watcher => ({
  id,
  uri: `sip:${id}@montague.example`,
  status,
  event: 'subscribe',
  displayName: undefined,
  expirationS: undefined,
})

const document = (
  version: number,
  state: 'full' | 'partial',
  watchers: readonly Watcher[],
  eventPackage = 'presence',
): WatcherInfo => ({ version, state, lists: [{ resource: 'sip:juliet@capulet.example', eventPackage, watchers }] })

const known: WatcherListState = { version: 4, watchers: [watcher('romeo', 'active'), watcher('paris', 'pending')] }

test.each([
  ['the first, full', NO_WATCHERS, document(0, 'full', [watcher('romeo', 'active')]), 0, ['romeo active']],
  ['full replaces [3858-4.1]', known, document(5, 'full', [watcher('nurse', 'waiting')]), 5, ['nurse waiting']],
  ['full, counted anew by a server that was restarted', known, document(0, 'full', []), 0, []],
  [
    'partial, the next: one is changed, one comes',
    known,
    document(5, 'partial', [watcher('paris', 'active'), watcher('nurse', 'pending')]),
    5,
    ['romeo active', 'paris active', 'nurse pending'],
  ],
  [
    'partial: one ends [3858-4.2]',
    known,
    document(5, 'partial', [watcher('romeo', 'terminated')]),
    5,
    ['paris pending'],
  ],
  ['full with one that has ended', known, document(5, 'full', [watcher('romeo', 'terminated')]), 5, []],
  [
    'another package says nothing',
    known,
    document(5, 'partial', [watcher('romeo', 'terminated')], 'dialog'),
    5,
    ['romeo active', 'paris pending'],
  ],
])('RFC 3858 §4 %s', (_clause, state, info, version, rows) => {
  const step = takeWatcherInfo(state, info, 'presence')
  if (step.kind !== 'taken') throw new Error(step.kind)
  expect(step.state.version).toBe(version)
  expect(step.state.watchers.map((one) => `${one.id} ${one.status}`)).toEqual(rows)
})

test.each([
  ['a gap', known, document(6, 'partial', []), 'missed'],
  ['partial before any full one', NO_WATCHERS, document(1, 'partial', []), 'missed'],
  ['partial first on a new dialog', forNewDialog(known), document(5, 'partial', []), 'missed'],
  ['the same once more', known, document(4, 'partial', []), 'old'],
  ['an older one [3858-4.4]', known, document(3, 'partial', []), 'old'],
] as const)('RFC 3858 §4 %s', (_clause, state, info, kind) => {
  expect(takeWatcherInfo(state, info, 'presence')).toEqual({ kind })
})
