import type { StreamFailure } from '../src/index.ts'
import { isOwnFault } from '../src/index.ts'

const detail = 'what it was'
const protocol = (refusal: Extract<StreamFailure, { kind: 'protocol' }>['refusal']): StreamFailure => ({
  kind: 'protocol',
  condition: 'policy-violation',
  ...(refusal === undefined ? {} : { refusal }),
  detail,
})

test.each<[string, StreamFailure, boolean]>([
  ['RFC 6120 §4.9.3.13: XML that is not well-formed', protocol('malformed-xml'), true],
  ['RFC 6120 §13.12: a stanza beyond the limit', protocol('stanza-too-big'), true],
  ['RFC 6120 §4.9.3.9: a domain not proven', protocol('invalid-from'), true],
  ['RFC 6120 §4.9.3.6: a domain not served, to which his users wrote', protocol('host-unknown'), false],
  ['RFC 6120 §6.4.5: too many attempts at SASL', protocol('sasl-refused'), true],
  ['XEP-0220 §2.1.1: a key that its server does not know', { kind: 'dialback-invalid', detail }, true],
  ['RFC 6120 §13.7.1.2: a certificate that does not do', { kind: 'certificate', detail }, true],
  ['a limit of ours', protocol('connection-limit'), false],
  ['a penalty is no fault', protocol('penalty'), false],
  ['somebody whom we do not know', protocol('unknown-partner'), false],
  ['not in time: the network may be slow', protocol('establishment-timeout'), false],
  ['rules of ours that changed', protocol(undefined), false],
  ['the connection broke', { kind: 'closed', detail }, false],
  ['the peer closed it with an error of its own', { kind: 'peer-error', condition: 'reset', detail }, false],
])('%s', (_what, failure, expected) => expect(isOwnFault(failure)).toBe(expected))
