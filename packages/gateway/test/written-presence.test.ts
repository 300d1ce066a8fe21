import { WrittenPresence } from '../src/written-presence.ts'
import type { ShownPresence } from '../src/written-presence.ts'
import { parseJid } from '@stox/xmpp'
import { hashes } from './stage.ts'

const jid = (text: string) => {
  const parsed = parseJid(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}
const shown = (more: Partial<ShownPresence> = {}, show: 'away' | null = null, heardAtMs = 0): ShownPresence => ({
  contact: jid('romeo@montague.example'),
  available: [{ resource: 'orchard', show, notes: [], priority: 0, atMs: heardAtMs }],
  gone: [],
  atMs: 10_000,
  ...more,
})

describe('documents for many watchers', () => {
  const documents = () => new WrittenPresence(hashes, 'raw')

  test('one change is written once, whenever each watch has heard it', () => {
    const written = documents()
    const first = written.of(shown())
    expect(written.of(shown({ atMs: 10_900 }, null, 900))).toBe(first)
  })

  test.each<[string, ShownPresence]>([
    ['another show', shown({}, 'away')],
    ['another contact', shown({ contact: jid('tybalt@montague.example') })],
    ['a resource that went', shown({ gone: ['phone'] })],
    ['a second later', shown({ atMs: 11_000 })],
    ['the clock has stepped back', shown({ atMs: 8000 })],
  ])('%s is another document', (_row, other) => {
    const written = documents()
    expect(written.of(other)).not.toBe(written.of(shown()))
    expect(written.of(other)).toBe(documents().of(other))
  })
})
