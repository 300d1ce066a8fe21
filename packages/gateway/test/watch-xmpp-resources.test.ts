import type { ResourcePresence } from '@stox/translate'
import { NOTHING_SEEN, recentlyGone, seeAvailable, seeSilence, seeUnavailable } from '../src/watch-xmpp-resources.ts'
import type { SeenResources } from '../src/watch-xmpp-resources.ts'

const at = (resource: string, atMs: number, changes: Partial<ResourcePresence> = {}): ResourcePresence => ({
  resource,
  show: null,
  priority: 0,
  notes: [],
  atMs,
  ...changes,
})
const seen = (...available: readonly ResourcePresence[]): SeenResources => ({
  available,
  gone: [{ resource: 'old', atMs: 1000 }],
  heardAtMs: 1000,
})
const note = (text: string, lang: string | null = null) => ({ notes: [{ lang, text }] })

describe('available', () => {
  test.each([
    ['the first word of the contact', NOTHING_SEEN, at('desk', 5000), true],
    ['another resource', seen(at('desk', 1000)), at('phone', 5000), true],
    ['the same once more', seen(at('desk', 1000)), at('desk', 5000), false],
    ['another show', seen(at('desk', 1000)), at('desk', 5000, { show: 'away' }), true],
    ['another priority', seen(at('desk', 1000)), at('desk', 5000, { priority: 1 }), true],
    ['idle', seen(at('desk', 1000)), at('desk', 5000, { idleSinceMs: 1 }), true],
    ['another note', seen(at('desk', 1000, note('a'))), at('desk', 5000, note('b')), true],
    ['the note in another language', seen(at('desk', 1000, note('a', 'de'))), at('desk', 5000, note('a', 'en')), true],
    ['a note less', seen(at('desk', 1000, note('a'))), at('desk', 5000), true],
    ['the same note', seen(at('desk', 1000, note('a'))), at('desk', 5000, note('a')), false],
  ])('%s', (_name, before, one, isNews) => {
    const sight = seeAvailable(before, one, 5000)
    expect(sight?.isNews).toBe(isNews)
    expect(sight?.seen.available.find(({ resource }) => resource === one.resource)).toBe(one)
    expect(sight?.seen.heardAtMs).toBe(5000)
  })

  test('who is back is gone no more', () => expect(seeAvailable(seen(), at('old', 5000), 5000)?.seen.gone).toEqual([]))

  test('fifty, and no more; those that are there may still change', () => {
    const many = seen(...Array.from({ length: 50 }, (_, i) => at(`r${i}`, 1000)))
    expect(seeAvailable(many, at('one more', 5000), 5000)).toBeUndefined()
    expect(seeAvailable(many, at('r7', 5000, { show: 'dnd' }), 5000)?.isNews).toBe(true)
  })
})

describe('unavailable', () => {
  const two = seen(at('desk', 1000), at('phone', 4000))

  test.each([
    ['one of two', seeUnavailable(two, 'desk', 5000), ['phone'], ['old', 'desk'], true],
    ['all', seeUnavailable(two, undefined, 5000), [], ['old', 'desk', 'phone'], true],
    ['one that nobody knew', seeUnavailable(two, 'car', 5000), ['desk', 'phone'], ['old'], false],
    ['the first word of the contact', seeUnavailable(NOTHING_SEEN, undefined, 5000), [], [], true],
    ['silence since 4 s', seeSilence(two, 4000, 5000), ['phone'], ['old', 'desk'], true],
    ['silence of nobody', seeSilence(two, 0, 5000), ['desk', 'phone'], ['old'], false],
  ])('%s', (_name, sight, available, gone, isNews) => {
    expect(sight.seen.available.map(({ resource }) => resource)).toEqual(available)
    expect(sight.seen.gone.map(({ resource }) => resource)).toEqual(gone)
    expect(sight.isNews).toBe(isNews)
  })

  test('silence is not a word', () => {
    expect(seeSilence(two, 4000, 5000).seen.heardAtMs).toBe(1000)
    expect(seeUnavailable(two, 'desk', 5000).seen.heardAtMs).toBe(5000)
  })

  test.each([
    [15_999, ['old']],
    [16_000, []],
  ])('gone for 15 s, at %i', (nowMs, gone) => {
    expect(recentlyGone(two, nowMs)).toEqual(gone)
    expect(seeUnavailable(two, 'car', nowMs).seen.gone.map(({ resource }) => resource)).toEqual(gone)
  })
})
