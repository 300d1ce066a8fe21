import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Heard } from './heard.ts'
import { e2ePath } from './root.ts'
import { PASSWORD } from './xmpp-server.ts'

export interface Tree {
  readonly name: string
  readonly attrs?: Readonly<Record<string, string>>
  readonly children?: readonly (Tree | string)[]
}

/** A stanza as its user sees it; what is not there is undefined. */
export interface Seen {
  readonly kind: 'message' | 'presence' | 'iq'
  readonly type: string
  readonly from: string
  readonly to: string
  readonly id: string | undefined
  readonly body: string | undefined
  readonly subject: string | undefined
  readonly thread: string | undefined
  readonly show: string | undefined
  readonly status: string | undefined
  readonly condition: string | undefined
  readonly errorType: string | undefined
  readonly tree: Tree
  readonly xml: string
}

type UserEvent =
  | { readonly kind: 'online'; readonly jid: string }
  | { readonly kind: 'offline' }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'stanza'; readonly tree: Tree; readonly xml: string }

export interface XmppUserOptions {
  readonly user: string
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly resource?: string
  /** The certificate to trust, when the server has one. */
  readonly ca?: string
}

/** A person on a real XMPP server, played through `@xmpp/client`. */
export class XmppUser {
  readonly bare: string
  readonly heard: Heard<Seen>
  readonly #options: XmppUserOptions
  readonly #life: Heard<UserEvent>
  #process: ChildProcess | undefined
  #ids = 0

  constructor(options: XmppUserOptions) {
    this.#options = options
    this.bare = `${options.user}@${options.domain}`
    this.heard = new Heard(this.bare, (seen) => seen.xml)
    this.#life = new Heard(`${this.bare} (connection)`)
  }

  get full(): string {
    return `${this.bare}/${this.#options.resource ?? 'balcony'}`
  }

  /** Logs in, and without `quiet` says that it is there. */
  async start({ quiet = false } = {}): Promise<this> {
    const { user, domain, address, port, resource = 'balcony', ca } = this.#options
    const args = [e2ePath('src', 'xmpp-user.mjs'), `xmpp://${address}:${port}`, domain, user, PASSWORD, resource]
    const env = { ...process.env, NODE_OPTIONS: '', ...(ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: ca }) }
    this.#process = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#process.once('exit', () => this.#life.push({ kind: 'offline' }))
    this.#process.stdin?.on('error', () => undefined)
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#on(JSON.parse(line) as UserEvent))
    const event = await this.#life.next('login', (one) => one.kind === 'online' || one.kind === 'error', 20_000)
    if (event.kind === 'error') throw new Error(`${this.bare}: ${event.text}`)
    this.roster()
    await this.heard.next('its roster', (seen) => seen.kind === 'iq' && seen.id === 'roster')
    if (!quiet) this.presence()
    return this
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    this.#process = undefined
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.stdin?.end(`${JSON.stringify({ do: 'stop' })}\n`)
    const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
    await ended
    clearTimeout(timer)
  }

  send(tree: Tree): void {
    this.#process?.stdin?.write(`${JSON.stringify({ do: 'send', tree })}\n`)
  }

  /** Sends a message and gives its id. */
  message(
    to: string,
    body: string,
    more: { id?: string; type?: string; thread?: string; subject?: string } = {},
  ): string {
    const id = more.id ?? `${this.#options.user}-${(this.#ids += 1)}`
    const children: Tree[] = [{ name: 'body', children: [body] }]
    if (more.subject !== undefined) children.push({ name: 'subject', children: [more.subject] })
    if (more.thread !== undefined) children.push({ name: 'thread', children: [more.thread] })
    this.send({ name: 'message', attrs: { to, id, type: more.type ?? 'chat' }, children })
    return id
  }

  presence(now: { type?: string; to?: string; show?: string; status?: string; priority?: number } = {}): void {
    const attrs = {
      ...(now.type === undefined ? {} : { type: now.type }),
      ...(now.to === undefined ? {} : { to: now.to }),
    }
    const children: Tree[] = []
    if (now.show !== undefined) children.push({ name: 'show', children: [now.show] })
    if (now.status !== undefined) children.push({ name: 'status', children: [now.status] })
    if (now.priority !== undefined) children.push({ name: 'priority', children: [String(now.priority)] })
    this.send({ name: 'presence', attrs, children })
  }

  subscribe(to: string): void {
    this.presence({ type: 'subscribe', to })
  }

  approve(to: string): void {
    this.presence({ type: 'subscribed', to })
  }

  refuse(to: string): void {
    this.presence({ type: 'unsubscribed', to })
  }

  unsubscribe(to: string): void {
    this.presence({ type: 'unsubscribe', to })
  }

  roster(): void {
    this.#query('get', 'roster', [])
  }

  /** Takes somebody off the roster, both directions at once. @see RFC 6121 §2.5 */
  removeContact(jid: string): void {
    this.#query('set', `remove-${(this.#ids += 1)}`, [{ name: 'item', attrs: { jid, subscription: 'remove' } }])
  }

  hears(what: string, wanted: (seen: Seen) => boolean, timeoutMs?: number): Promise<Seen> {
    return this.heard.next(what, wanted, timeoutMs)
  }

  hearsMessage(body: string, timeoutMs?: number): Promise<Seen> {
    return this.hears(`“${body.slice(0, 60)}”`, (seen) => seen.kind === 'message' && seen.body === body, timeoutMs)
  }

  hearsError(id: string, timeoutMs?: number): Promise<Seen> {
    return this.hears(`the error of ${id}`, (seen) => seen.type === 'error' && seen.id === id, timeoutMs)
  }

  /** Waits for presence from a contact (any resource); `type` '' is available. */
  hearsPresence(
    from: string,
    now: { type?: string; show?: string | undefined; status?: string | undefined },
    timeoutMs?: number,
  ): Promise<Seen> {
    const fits = (seen: Seen): boolean =>
      seen.kind === 'presence' &&
      seen.from.split('/')[0] === from &&
      seen.type === (now.type ?? '') &&
      (!('show' in now) || seen.show === now.show) &&
      (!('status' in now) || seen.status === now.status)
    return this.hears(`presence ${JSON.stringify(now)} of ${from}`, fits, timeoutMs)
  }

  #query(type: string, id: string, children: readonly Tree[]): void {
    this.send({
      name: 'iq',
      attrs: { type, id },
      children: [{ name: 'query', attrs: { xmlns: 'jabber:iq:roster' }, children }],
    })
  }

  #on(event: UserEvent): void {
    if (event.kind === 'stanza') this.heard.push(seenIn(event.tree, event.xml))
    else this.#life.push(event)
  }
}

const childrenOf = (tree: Tree): readonly Tree[] => (tree.children ?? []).filter((child) => typeof child !== 'string')
const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.children?.filter((child) => typeof child === 'string').join('') ?? undefined

function seenIn(tree: Tree, xml: string): Seen {
  const attrs = tree.attrs ?? {}
  const child = (name: string): Tree | undefined => childrenOf(tree).find((one) => one.name === name)
  const error = child('error')
  return {
    kind: tree.name as Seen['kind'],
    type: attrs['type'] ?? '',
    from: attrs['from'] ?? '',
    to: attrs['to'] ?? '',
    id: attrs['id'],
    body: textOf(child('body')),
    subject: textOf(child('subject')),
    thread: textOf(child('thread')),
    show: textOf(child('show')),
    status: textOf(child('status')),
    condition: error === undefined ? undefined : childrenOf(error).find((one) => one.name !== 'text')?.name,
    errorType: error?.attrs?.['type'],
    tree,
    xml,
  }
}
