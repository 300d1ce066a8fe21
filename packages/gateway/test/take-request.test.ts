import { newSipRequest } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { takeRequest } from '../src/take-request.ts'
import { addr, countingIds, incomingOf, indexFor } from './stage.ts'

const requestOf = (method: string, uri = 'sip:romeo@montague.example', toTag?: string): SipRequest =>
  newSipRequest({
    method,
    uri,
    from: addr('<sip:juliet@capulet.example>', 'j1'),
    to: addr(`<${uri}>`, toTag),
    callId: 'call-1',
    cseq: 1,
    headers: [['Contact', '<sip:juliet@127.0.0.1:5060>']],
  })

/** What it is answered, or whom it is handed to. */
function taken(request: SipRequest) {
  const handed: string[] = []
  const { incoming, responses } = incomingOf(request)
  takeRequest(
    {
      ids: countingIds(),
      index: () => indexFor(),
      message: () => void handed.push('message'),
      subscribe: () => void handed.push('subscribe'),
      notify: () => void handed.push('notify'),
    },
    incoming,
  )
  return { handed, responses }
}

describe('mapping G.7: OPTIONS', () => {
  test.each([
    ['the gateway itself', 'sip:127.0.0.1:5098;transport=udp', 200],
    ['a domain of ours', 'sip:capulet.example', 200],
    ['an XMPP user', 'sip:romeo@montague.example', 200],
    ['one with an escaped name', 'sip:d%27artagnan@montague.example', 200],
    ['a user of no partner', 'sip:romeo@stranger.example', 404],
    ['a user of ours: he is not reached by us', 'sip:juliet@capulet.example', 404],
    ['an address that cannot be', 'sip:%00@montague.example', 404],
  ])('to %s', (_whom, uri, status) => {
    const { handed, responses } = taken(requestOf('OPTIONS', uri))
    expect(handed).toEqual([])
    expect(responses.map((one) => one.status)).toEqual([status])
  })
  test('RFC 3261 §11.2: says what is taken', () => {
    const [response] = taken(requestOf('OPTIONS')).responses
    const said = (name: string) => response?.headers.get(name)
    expect(said('Allow')).toBe('MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS')
    expect(said('Accept')).toMatch(/^text\/plain, text\/html, message\/cpim,.*application\/pidf\+xml$/)
    expect([said('Accept-Encoding'), said('Accept-Language'), said('Allow-Events')]).toEqual([
      'identity',
      '*',
      'presence',
    ])
    expect(response?.headers.has('Supported')).toBe(true)
  })
})

test.each([
  ['MESSAGE', 'message'],
  ['SUBSCRIBE', 'subscribe'],
  ['NOTIFY', 'notify'],
])('mapping G.1, J.26: %s is taken, also with a Contact', (method, story) =>
  expect(taken(requestOf(method))).toEqual({ handed: [story], responses: [] }),
)

test('RFC 3428 §4: a MESSAGE in a dialog that we never made is 481', () => {
  const { handed, responses } = taken(requestOf('MESSAGE', undefined, 'tag'))
  expect([handed, responses.map((one) => one.status)]).toEqual([[], [481]])
})

test.each(['PUBLISH', 'INFO', 'REGISTER', 'REFER', 'BYE'])('RFC 3261 §21.4.6: %s is 405, with Allow', (method) => {
  const [response] = taken(requestOf(method)).responses
  expect([response?.status, response?.headers.get('Allow')]).toEqual([405, 'MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS'])
})
