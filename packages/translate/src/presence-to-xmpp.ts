import { parseSipUri, uriParamToText } from '@stox/sip'
import type { Pidf, PidfNote, PidfShow, PidfTuple } from '@stox/sip'
import { idleElement, newPresence, parseDateTime, prepResource } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'
import { SHOW_FOR_ACTIVITY, SHOW_FOR_EXTENDED, SHOW_FOR_NOTE, contactToPriority } from './presence-tables.ts'

/** What one device of a SIP user says, as its watcher on the XMPP side is shown it. Plain values: kept in the store. */
export interface DevicePresence {
  /** Empty when the device has no name: presence then comes from the bare address. */
  readonly resource: string
  readonly show: PidfShow | null
  readonly notes: readonly { readonly lang: string | null; readonly text: string }[]
  /** Null when the document names none: the element is left out. */
  readonly priority: number | null
  /** Since when nobody has touched it, where the document says so. */
  readonly idleSinceMs?: number
}

/** More devices than this are not shown. @see mapping D.8 */
const MOST_DEVICES = 5
const LONGEST_NOTE = 1024

/** First match wins. @see mapping D.7 */
function showOf(tuple: PidfTuple, pidf: Pidf, readsNotes: boolean): PidfShow | 'unavailable' | undefined {
  if (tuple.basic === 'closed') return 'unavailable'
  if (tuple.show !== undefined) return tuple.show
  const activities = [...tuple.activities, ...(pidf.person?.activities ?? [])]
  const row = SHOW_FOR_ACTIVITY.find((one) => activities.some((activity) => one.activities.has(activity)))
  if (row !== undefined) return row.show
  if (tuple.extended !== undefined && tuple.extended in SHOW_FOR_EXTENDED) return SHOW_FOR_EXTENDED[tuple.extended]
  if (tuple.idle || pidf.person?.idle === true) return 'away'
  const [note] = readsNotes ? notesOf(tuple, pidf) : []
  const words = note?.text.trim().toLowerCase() ?? ''
  return Object.hasOwn(SHOW_FOR_NOTE, words) ? SHOW_FOR_NOTE[words] : undefined
}

/** @see RFC 4480 §3.14 */
function idleOf(tuple: PidfTuple, { person }: Pidf): Pick<DevicePresence, 'idleSinceMs'> {
  const since = parseDateTime(tuple.idle ? tuple.idleSince : person?.idle === true ? person.idleSince : undefined)
  return since === undefined ? {} : { idleSinceMs: since }
}

/** The `gr` of the contact, else the tuple's id without our own prefix. @see RFC 8048 §6.3 */
function resourceOf(tuple: PidfTuple): string {
  const contact = tuple.contact === undefined ? undefined : parseSipUri(tuple.contact)
  const gruu = contact?.ok === true ? contact.value.params.get('gr') : undefined
  const named = gruu === undefined ? undefined : uriParamToText(gruu)
  const text = named?.ok === true && named.value !== '' ? named.value : tuple.id.replace(/^ID-/, '')
  const resource = prepResource(text)
  return resource.ok ? resource.value : ''
}

const notesOf = (tuple: PidfTuple, pidf: Pidf): readonly PidfNote[] => {
  if (tuple.notes.length > 0) return tuple.notes
  const person = pidf.person?.notes ?? []
  return person.length > 0 ? person : pidf.notes
}

/**
 * The devices that are open. None: the user is offline, or nothing is known. `readsNotes`: a status in words alone may
 * count as busy or away. @see RFC 8048 §4.3, table 2, mapping D.7
 */
export function devicesOfPidf(pidf: Pidf, readsNotes = false): readonly DevicePresence[] {
  const devices: DevicePresence[] = []
  for (const tuple of pidf.tuples) {
    // A tuple with a relationship speaks of someone else. @see RFC 4480 §3.9
    if (tuple.relationship !== undefined) continue
    // Without basic nothing is said about reaching the device. @see RFC 3863 §4.1.4
    if (tuple.basic === undefined && tuple.show === undefined) continue
    const show = showOf(tuple, pidf, readsNotes)
    if (show === 'unavailable') continue
    const resource = resourceOf(tuple)
    if (devices.some((other) => other.resource === resource)) continue
    devices.push({
      resource,
      show: show ?? null,
      notes: notesOf(tuple, pidf).map((note) => ({
        lang: note.lang ?? null,
        text: note.text.slice(0, LONGEST_NOTE),
      })),
      priority: tuple.contactPriority === undefined ? null : contactToPriority(tuple.contactPriority),
      ...idleOf(tuple, pidf),
    })
    if (devices.length === MOST_DEVICES) break
  }
  return devices
}

const sameDevice = (a: DevicePresence, b: DevicePresence): boolean =>
  a.resource === b.resource &&
  a.show === b.show &&
  a.priority === b.priority &&
  a.idleSinceMs === b.idleSinceMs &&
  a.notes.length === b.notes.length &&
  a.notes.every((note, index) => note.text === b.notes[index]?.text && note.lang === b.notes[index]?.lang)

/** Where presence comes from and who is shown it: bare addresses. */
export interface PresenceAddresses {
  readonly from: Jid
  readonly to: Jid
}

const at = (bare: Jid, resource: string): Jid => (resource === '' ? bare : { ...bare, resource })

/** Available from one device. */
export const deviceToPresence = (device: DevicePresence, addresses: PresenceAddresses): PresenceStanza =>
  newPresence({
    from: at(addresses.from, device.resource),
    to: addresses.to,
    show: device.show ?? undefined,
    statuses: device.notes.map((note) => ({ lang: note.lang ?? undefined, text: note.text })),
    priority: device.priority ?? undefined,
    ...(device.idleSinceMs === undefined ? {} : { extra: [idleElement(device.idleSinceMs)] }),
  })

/** No show and no priority with `unavailable`. @see RFC 6121 §4.7.2 */
export const unavailableFrom = (resource: string, addresses: PresenceAddresses, id?: string): PresenceStanza =>
  newPresence({ from: at(addresses.from, resource), to: addresses.to, type: 'unavailable', id })

/** What a watcher must be told to know `next` when it was last told `previous`. @see mapping D.8 */
export function presenceChanges(
  previous: readonly DevicePresence[],
  next: readonly DevicePresence[],
  addresses: PresenceAddresses,
): readonly PresenceStanza[] {
  const stanzas: PresenceStanza[] = []
  for (const device of next) {
    const before = previous.find((other) => other.resource === device.resource)
    if (before === undefined || !sameDevice(before, device)) stanzas.push(deviceToPresence(device, addresses))
  }
  for (const device of previous)
    if (!next.some((other) => other.resource === device.resource))
      stanzas.push(unavailableFrom(device.resource, addresses))
  return stanzas
}
