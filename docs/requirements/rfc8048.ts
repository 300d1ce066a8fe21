import { deviates, notApplicable, section } from './requirement.ts'
import type { Requirement } from './requirement.ts'

export const RFC_8048: readonly Requirement[] = [
  ...section('8048-4.1', 'RFC 8048 §4.1', [
    [
      1,
      'must',
      'Presence of XMPP becomes NOTIFY with PIDF, and NOTIFY with PIDF becomes presence; nothing else carries it.',
    ],
    [2, 'must', 'Only presence without a type and presence of type unavailable become a NOTIFY.'],
  ]),
  ...section('8048-4.2', 'RFC 8048 §4.2, table 1', [
    ['stanza', 'table', 'A presence stanza is an Event: presence.'],
    ['resource', 'table', 'The resource is the id of a tuple.'],
    ['from', 'table', 'from is From.'],
    ['id', 'table', 'id has no counterpart.'],
    ['to', 'table', 'to is To.'],
    ['type', 'table', 'No type is basic open, unavailable is basic closed.'],
    [
      'lang',
      'table',
      'xml:lang is Content-Language.',
      deviates('on each note: languages may differ between resources, and one document has them all'),
    ],
    ['priority', 'table', 'priority is the priority of the contact.'],
    ['show', 'table', 'show has no counterpart of its own.'],
    ['status', 'table', 'status is a note.'],
    [
      'n2',
      'must',
      'Note 2: an id of a tuple begins with a letter; ID- is put before a resource.',
      deviates('a resource that no id of XML can hold is hashed'),
    ],
    ['n4', 'should', 'Note 4: priorities of 0 to 127 become 0 to 1, all of them different.'],
    ['n4neg', 'must', 'Note 4: a negative priority is not passed on.'],
    ['n7', 'should', 'Note 7: show stands as an extension in the status of the tuple.'],
  ]),
  ...section('8048-4.3', 'RFC 8048 §4.3, table 2', [
    ['basic', 'table', 'basic open is no type, basic closed is unavailable.'],
    [
      'lang',
      'table',
      'Content-Language is xml:lang.',
      deviates('the languages of the notes are, which say it for each text'),
    ],
    ['priority', 'table', 'The priority of a contact is priority, as an integer.'],
    ['from', 'table', 'From is from.'],
    ['to', 'table', 'To is to.'],
    ['note', 'table', 'A note is a status.'],
    ['show', 'table', 'show in the status of a tuple is show.'],
  ]),
  ...section('8048-5.2', 'RFC 8048 §5.2, an XMPP user watches a SIP user', [
    [1, 'must', 'subscribe becomes SUBSCRIBE with Event: presence and an Expires above 0.'],
    [2, 'must', 'The state is neutral until a NOTIFY says what it is: the 2xx lets nobody in.'],
    [3, 'must', 'The first NOTIFY with active becomes subscribed, and its body presence.'],
    [4, 'must', 'Subscriptions on the SIP side are refreshed before they end, as long as the XMPP side is there.'],
    [5, 'should', 'Initial presence, which is a probe to us, makes a subscription that has ended anew.'],
    [6, 'must', 'A refusal for good is unsubscribed, and the authorization is gone.'],
    [7, 'must', 'unsubscribe becomes SUBSCRIBE with Expires 0.'],
    [8, 'must', 'unsubscribed answers an unsubscribe.'],
    [
      9,
      'must',
      'Example 10: the subscriber sends the last NOTIFY.',
      deviates('the notifier does, as RFC 6665 §4.2.1.4 has it; we never send NOTIFY as a subscriber'),
    ],
    [10, 'should', 'A passing failure of the SIP side ends no authorization: it is tried again.'],
  ]),
  ...section('8048-5.3', 'RFC 8048 §5.3, a SIP user watches an XMPP user', [
    [1, 'must', 'SUBSCRIBE becomes subscribe, and is answered at once.'],
    [2, 'must', 'NOTIFY with pending comes before the contact has decided.'],
    [3, 'must', 'subscribed becomes NOTIFY with active.'],
    [4, 'must', 'unsubscribed becomes NOTIFY with terminated, reason rejected.'],
    [5, 'must', 'A refresh asks the contact nothing again, and is answered with the state.'],
    [6, 'must', 'SUBSCRIBE with Expires 0 is answered with NOTIFY terminated, reason timeout.'],
    [
      7,
      'must',
      'SUBSCRIBE with Expires 0 becomes presence of type unavailable.',
      deviates('not where the contact watches the SIP user himself: he would see him go offline who is not'),
    ],
    [8, 'must', 'The authorization at the contact stays: nothing in SIP takes it back.'],
  ]),
  ...section('8048-6', 'RFC 8048 §6', [
    [1, 'must', 'A change of presence becomes a NOTIFY in each dialog.'],
    [
      2,
      'may',
      'One NOTIFY for each XMPP resource.',
      deviates('one document with all resources: a NOTIFY of the presence package is the whole state (RFC 3856 §6.8)'),
    ],
    [3, 'must', 'A NOTIFY becomes presence from the SIP user to the watcher.'],
    [4, 'must', 'closed becomes unavailable.'],
    [5, 'must', 'unavailable becomes closed.'],
  ]),
  ...section('8048-7', 'RFC 8048 §7, polling', [
    [1, 'must', 'A probe without a subscription becomes SUBSCRIBE with Expires 0.'],
    [2, 'must', 'SUBSCRIBE with Expires 0 without a dialog becomes a probe.'],
  ]),
  ...section('8048-8', 'RFC 8048 §8, security', [
    [1, 'must', 'A NOTIFY is shown to the user of its dialog and to nobody else.'],
    [2, 'should', 'Only domains that are served or federated use the gateway; subscriptions of one user have a bound.'],
    [
      3,
      'may',
      'Before a refresh the gateway probes the watcher, and refreshes only when he answers.',
      notApplicable(
        'a server need not trust the address of the gateway: silence would prove nothing. Who is watched in return is seen to go',
      ),
    ],
  ]),
]
