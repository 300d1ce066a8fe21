import type { ResourcePresence } from '@stox/translate'
import { fingerprintOf, mergedPresence } from '../src/merged-presence.ts'
import { hashes } from './stage.ts'

const at = (atMs: number, resource: string, show: ResourcePresence['show'] = null): ResourcePresence => ({
  resource,
  show,
  notes: [],
  priority: 0,
  atMs,
})
interface Heard {
  readonly available: readonly ResourcePresence[]
  readonly gone: readonly { readonly resource: string; readonly atMs: number }[]
  readonly heardAtMs: number | null
}
const heard = (available: readonly ResourcePresence[], gone: Heard['gone'] = []): Heard => ({
  available,
  gone,
  heardAtMs: 1,
})
const unheard: Heard = { available: [], gone: [], heardAtMs: null }

test.each<[string, readonly Heard[], readonly string[] | undefined]>([
  ['nobody has heard anything', [unheard], undefined],
  ['nobody asks', [], undefined],
  ['he is heard to be nowhere', [heard([])], []],
  ['one has not heard yet', [unheard, heard([at(1, 'desk')])], ['desk -']],
  ['each has heard of another device', [heard([at(1, 'phone')]), heard([at(2, 'desk')])], ['desk -', 'phone -']],
  ['the newest word on a device counts', [heard([at(2, 'desk', 'away')]), heard([at(1, 'desk')])], ['desk away']],
  [
    'one has heard that it went, the other not yet',
    [heard([], [{ resource: 'desk', atMs: 5 }]), heard([at(1, 'desk')])],
    [],
  ],
  [
    'it went and is back, which only one has heard',
    [heard([at(9, 'desk', 'dnd')]), heard([], [{ resource: 'desk', atMs: 5 }])],
    ['desk dnd'],
  ],
])('%s', (_row, watches, expected) => {
  expect(mergedPresence(watches)?.map(({ resource, show }) => `${resource} ${show ?? '-'}`)).toEqual(expected)
})

test('bounds: 50 devices at most', () => {
  const many = Array.from({ length: 60 }, (_, index) => at(1, `r${index}`))
  expect(mergedPresence([heard(many)])).toHaveLength(50)
})

test('what says the same has the same fingerprint, whenever it was said', () => {
  expect(fingerprintOf([at(1, 'desk')], hashes)).toBe(fingerprintOf([at(2, 'desk')], hashes))
  expect(fingerprintOf([at(1, 'desk')], hashes)).not.toBe(fingerprintOf([at(1, 'desk', 'away')], hashes))
})
