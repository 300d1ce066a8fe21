import * as fc from 'fast-check'
import { WATCHER_STATUSES, formatWatcherInfo, parseWatcherInfo } from '../../src/index.ts'
import type { WatcherInfo } from '../../src/index.ts'

const NS = 'xmlns="urn:ietf:params:xml:ns:watcherinfo"'
const info = (inside: string, attributes = 'version="0" state="full"'): string =>
  `<?xml version="1.0"?><watcherinfo ${NS} ${attributes}>${inside}</watcherinfo>`
const list = (inside: string): string =>
  `<watcher-list resource="sip:juliet@capulet.example" package="presence">${inside}</watcher-list>`
const ROMEO = '<watcher id="w1" status="active" event="approved">sip:romeo@montague.example</watcher>'

test('RFC 3858 §5: a full document', () => {
  const document = info(
    `<watcher-list resource="sip:professor@example.net" package="presence">
       <watcher status="active" id="8ajksjda7s" duration-subscribed="509" event="approved">sip:userA@example.net</watcher>
       <watcher status="pending" id="hh8juja87s997-ass7" display-name="Mr. Subscriber" expiration="60"
                event="subscribe">sip:userB@example.org</watcher>
     </watcher-list>`,
  )
  expect(parseWatcherInfo(document)).toEqual({
    ok: true,
    value: {
      version: 0,
      state: 'full',
      lists: [
        {
          resource: 'sip:professor@example.net',
          eventPackage: 'presence',
          watchers: [
            {
              id: '8ajksjda7s',
              uri: 'sip:userA@example.net',
              status: 'active',
              event: 'approved',
              displayName: undefined,
              expirationS: undefined,
            },
            {
              id: 'hh8juja87s997-ass7',
              uri: 'sip:userB@example.org',
              status: 'pending',
              event: 'subscribe',
              displayName: 'Mr. Subscriber',
              expirationS: 60,
            },
          ],
        },
      ],
    },
  })
})

test.each([
  ['§3, elements of others [3858-3.1]', info(`<x xmlns="urn:x"/>${list(`<y xmlns="urn:y"/>${ROMEO}`)}`), 1],
  ['§3.1, no list at all', info(''), 0],
  ['§3.2, a list without watchers', info(list('')), 0],
  ['§3.3, white space around the URI', info(list(ROMEO.replace('sip:', '\n  sip:'))), 1],
])('RFC 3858 %s', (_clause, document, watchers) => {
  const parsed = parseWatcherInfo(document)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  expect(parsed.value.lists.flatMap((one) => one.watchers)).toHaveLength(watchers)
})

test.each([
  ['§3, no XML', '<watcherinfo', /./],
  ['§3, another namespace', '<watcherinfo xmlns="urn:x" version="0" state="full"/>', /no watcherinfo/],
  ['§3.1, no version', info('', 'state="full"'), /version is no number: missing/],
  ['§3.1, a version that is none', info('', 'version="-1" state="full"'), /version is no number: -1/],
  ['§3.1, no state', info('', 'version="1"'), /neither full nor partial: missing/],
  ['§3.1, another state', info('', 'version="1" state="some"'), /neither full nor partial: some/],
  ['§3.2, no resource', info('<watcher-list package="presence"/>'), /without resource or package/],
  ['§3.2, no package', info('<watcher-list resource="sip:a@b"/>'), /without resource or package/],
  ['§3.3, no id', info(list(ROMEO.replace('id="w1"', ''))), /without id, event or URI/],
  ['§3.3, no event', info(list(ROMEO.replace('event="approved"', ''))), /without id, event or URI/],
  ['§3.3, no URI', info(list(ROMEO.replace('sip:romeo@montague.example', ' '))), /without id, event or URI/],
  ['§3.3, no status', info(list(ROMEO.replace('status="active"', ''))), /status \(none\)/],
  ['§3.3, an unknown status [3858-3.2]', info(list(ROMEO.replace('active', 'asleep'))), /status asleep/],
  ['bounds: an endless id', info(list(ROMEO.replace('w1', 'w'.repeat(2000)))), /endless/],
  ['bounds: too many', info(list(ROMEO.repeat(2001))), /more than 2000 watchers/],
])('refused, RFC 3858 %s', (_clause, document, detail) => {
  const parsed = parseWatcherInfo(document)
  expect(parsed).toMatchObject({ ok: false, failure: { kind: 'watcherinfo', detail: expect.stringMatching(detail) } })
})

const word = fc.stringMatching(/^[A-Za-z0-9_.<>&"-]{1,20}$/)
const watcherInfo: fc.Arbitrary<WatcherInfo> = fc.record({
  version: fc.nat(),
  state: fc.constantFrom('full' as const, 'partial' as const),
  lists: fc.array(
    fc.record({
      resource: word,
      eventPackage: word,
      watchers: fc.array(
        fc.record({
          id: word,
          uri: word.map((user) => `sip:${user}@b.example`),
          status: fc.constantFrom(...WATCHER_STATUSES),
          event: word,
          displayName: fc.option(word, { nil: undefined }),
          expirationS: fc.option(fc.nat(), { nil: undefined }),
        }),
        { maxLength: 5 },
      ),
    }),
    { maxLength: 3 },
  ),
})

test('what is written is read the same', () => {
  fc.assert(
    fc.property(watcherInfo, (value) => {
      expect(parseWatcherInfo(formatWatcherInfo(value))).toEqual({ ok: true, value })
    }),
  )
})

test('any bytes give a value or a failure', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseWatcherInfo(bytes)))
})
