import { parseVia, withVia } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { mergeKey, serverTransactionKey } from '../src/transaction-key.ts'
import { fromRomeo } from './sip-values.ts'

function by(via: string, request: SipRequest = fromRomeo('MESSAGE')): SipRequest {
  const parsed = parseVia(via)
  if (!parsed.ok) throw new Error(via)
  return withVia(request, parsed.value)
}
const keyOf = (via: string, request?: SipRequest): string | undefined => serverTransactionKey(by(via, request))

describe('RFC 3261 §17.2.3', () => {
  const via = 'SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa'

  test.each<[string, string, SipRequest | undefined, boolean]>([
    ['the same branch, sent-by and method', via, undefined, true],
    ['parameters the network adds do not count', `${via};received=192.0.2.8;rport=9`, undefined, true],
    ['another branch', 'SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKb', undefined, false],
    ['another host', 'SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bKa', undefined, false],
    ['another port', 'SIP/2.0/UDP 192.0.2.7:5061;branch=z9hG4bKa', undefined, false],
    ['another method', via, fromRomeo('OPTIONS'), false],
  ])('%s', (_row, other, request, same) => expect(keyOf(other, request) === keyOf(via)).toBe(same))

  test('ACK belongs to its INVITE, CANCEL does not', () => {
    expect(keyOf(via, fromRomeo('ACK'))).toBe(keyOf(via, fromRomeo('INVITE')))
    expect(keyOf(via, fromRomeo('CANCEL'))).not.toBe(keyOf(via, fromRomeo('INVITE')))
  })

  test.each<[string, SipRequest, boolean]>([
    ['all the same', fromRomeo('MESSAGE'), true],
    ['another CSeq', fromRomeo('MESSAGE', { cseq: 2 }), false],
    ['another Call-ID', fromRomeo('MESSAGE', { callId: 'other' }), false],
    ['another From tag', fromRomeo('MESSAGE', { fromTag: 'other' }), false],
  ])('without the cookie, %s', (_row, request, same) => {
    const old = 'SIP/2.0/UDP 192.0.2.7:5060;branch=1'
    expect(keyOf(old, request) === keyOf(old)).toBe(same)
  })
})

describe('RFC 3261 §8.2.2.2', () => {
  test('copies by two ways share a key, requests within a dialog have none', () => {
    const request = fromRomeo('MESSAGE')
    const [one, two] = ['z9hG4bKa', 'z9hG4bKb'].map((branch) => by(`SIP/2.0/UDP 192.0.2.7;branch=${branch}`, request))
    expect(mergeKey(one as SipRequest)).toBe(mergeKey(two as SipRequest))
    expect(mergeKey(fromRomeo('MESSAGE', { cseq: 2 }))).not.toBe(mergeKey(request))
    expect(mergeKey(fromRomeo('NOTIFY', { toTag: 'juliet-tag' }))).toBeUndefined()
  })
})
