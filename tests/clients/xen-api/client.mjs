// Drives a xapid with the npm client xen-api: connect, watch objects, call, and wait for tasks.
import assert from 'node:assert/strict'
import { createClient } from 'xen-api'

const { XAPI_URL: url, XAPI_USER: user, XAPI_PASSWORD: password } = process.env

const until = async (what, condition) => {
  const deadline = Date.now() + 60e3
  for (;;) {
    const value = condition()
    if (value) return value
    assert(Date.now() < deadline, `waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function exercise(transport) {
  const xapi = createClient({ url, auth: { user, password }, allowUnauthorized: true, transport })
  await xapi.connect()
  await xapi.objectsFetched
  const { pool } = xapi
  assert.equal(pool.$type, 'pool')
  const hosts = Object.values(xapi.objects.all).filter(o => o.$type === 'host')
  assert.equal(hosts.length, 1)
  assert.equal(pool.$master.$ref, hosts[0].$ref)

  const name = `named over ${transport} & <é>`
  await pool.set_name_label(name)
  await xapi.barrier(pool.$ref)
  assert.equal(xapi.pool.name_label, name)

  await pool.update_other_config('colour', 'green')
  await xapi.barrier(pool.$ref)
  assert.equal(xapi.pool.other_config.colour, 'green')
  await pool.update_other_config('colour', null)
  const config = await xapi.getField('pool', pool.$ref, 'other_config')
  assert.equal(config.colour, undefined)

  const secret = await xapi.callAsync('secret.create', { value: 'x', other_config: {} })
  const ref = await secret
  const record = await xapi.getRecord('secret', ref)
  assert.equal(record.value, 'x')
  await until('the secret among the objects', () => xapi.objects.all[record.uuid])
  await (await xapi.callAsync('secret.destroy', ref))
  await until('the secret to be gone', () => xapi.objects.all[record.uuid] === undefined)

  await assert.rejects(async () => await (await xapi.callAsync('secret.destroy', ref)), { code: 'HANDLE_INVALID' })
  await assert.rejects(xapi.call('VM.get_record', 'OpaqueRef:nothing'), {
    code: 'HANDLE_INVALID',
    params: ['VM', 'OpaqueRef:nothing'],
  })

  const task = await xapi.createTask('a task of the client', 'with a description')
  const done = xapi.watchTask(task)
  await xapi.call('task.set_result', task, '<value>fine</value>')
  await xapi.call('task.set_status', task, 'success')
  assert.equal(await done, 'fine')

  await xapi.disconnect()
  console.log(`ok   ${transport}`)
}

for (const transport of ['json-rpc', 'xml-rpc', 'auto']) await exercise(transport)
