import { deviates, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

/** Reports, as who asks for them and as who gives them in the name of an XMPP user. */
export const RFC_5438: readonly Requirement[] = [
  ...section('5438-7.1.1', 'RFC 5438 §7.1.1, sender', [
    [1, 'must', 'A message that asks for a report has a Message-ID and a DateTime.'],
    [2, 'must', 'It names the kinds of reports that are wanted.'],
    [3, 'must', 'What asks without them is not answered.'],
  ]),
  ...section('5438-7.2.1', 'RFC 5438 §7.2.1, recipient', [
    ['wanted', 'must', 'Only what is asked for is reported.'],
    ['once', 'must', 'Each kind is reported once.'],
    ['own-id', 'must', 'A report has a Message-ID of its own, and asks for none.'],
    ['message', 'must', 'It names the message by its Message-ID and DateTime, as they were.'],
    ['type', 'must', 'It is message/imdn+xml in CPIM, with Content-Disposition: notification.'],
    [
      'route',
      'must',
      'IMDN-Record-Route becomes IMDN-Route, in order, and the first of them is where it goes.',
      deviates('it goes by the server of the domain: where we send is not for a message to say'),
    ],
  ]),
  ...section('5438-11.1', 'RFC 5438 §11.1', [
    [1, 'must', 'A document has a message-id, a datetime and one notification with one status of its kind.'],
    [2, 'must', 'Elements of other namespaces are skipped.'],
  ]),
  ...section('5438-14', 'RFC 5438 §14', [
    [1, 'should', 'By which servers a report goes is not told to who should not know.'],
  ]),
]
