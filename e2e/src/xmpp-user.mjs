// An XMPP user over @xmpp/client, in a process of its own: commands on stdin, events on stdout, one JSON value a line.
// Ends with its stdin.
import { createInterface } from 'node:readline'
import { client, xml } from '@xmpp/client'

const [service, domain, username, password, resource] = process.argv.slice(2)
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const toTree = (element) => ({
  name: element.name,
  attrs: element.attrs,
  children: element.children.map((child) => (typeof child === 'string' ? child : toTree(child))),
})
const toElement = (tree) =>
  typeof tree === 'string' ? tree : xml(tree.name, tree.attrs ?? {}, ...(tree.children ?? []).map(toElement))

// PLAIN, for SCRAM in JavaScript takes two seconds.
const credentials = (authenticate) => authenticate({ username, password }, 'PLAIN')
const user = client({ service, domain, username, credentials, resource })
user.reconnect.stop()
user.on('error', (error) => tell({ kind: 'error', text: String(error) }))
user.on('offline', () => tell({ kind: 'offline' }))
user.on('online', (jid) => tell({ kind: 'online', jid: jid.toString() }))
user.on('stanza', (stanza) => tell({ kind: 'stanza', tree: toTree(stanza), xml: stanza.toString() }))
user.iqCallee.set('jabber:iq:roster', 'query', () => true)

for (const signal of ['unhandledRejection', 'uncaughtException']) {
  process.on(signal, (error) => {
    tell({ kind: 'error', text: String(error) })
    process.exit(1)
  })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line)
    if (command.do === 'send')
      user.send(toElement(command.tree)).catch((error) => tell({ kind: 'error', text: String(error) }))
    if (command.do === 'stop') user.stop().finally(() => process.exit(0))
  })
  .on('close', () => process.exit(0))

user.start().catch((error) => tell({ kind: 'error', text: String(error) }))
