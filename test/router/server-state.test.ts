import { expect } from 'chai';
import { parseServersState } from '../../src/router/server-state.ts';
import { nowhere } from '../../src/router/slot.ts';

// As HAProxy 2.6.12 answers.
const answer = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
2 p30000 1 s1 127.0.0.1 0 5 1 1 1 1 0 0 14 0 0 0 - 1 - 0 1 127.0.0.1 - 1
2 p30000 2 s2 10.0.0.2 2 4 1 1 0 15 3 4 6 0 0 0 - 5432 - 0 8008 10.0.0.3 10.0.0.3 8008
3 r29000 1 s1 fd00::2 2 12 1 1 0 1 0 2 6 0 0 0 - 5432 - 0 8008 - - 1
4 other 1 s1 10.0.0.9 2 0 1 1 0 1 0 2 6 0 0 0 - 80 - 0 0 - - 0

`;

describe('parseServersState()', () => {
  it('knows what a former router left: who is open, who drains, and where checks go', () => {
    const listeners = parseServersState(answer);
    expect([...listeners.keys()]).to.deep.equal([30000, 29000]);
    expect(listeners.get(30000)).to.deep.equal({
      port: 30000,
      role: 'leader',
      slot: [
        { admin: 'maint', endpoint: nowhere },
        { admin: 'ready', endpoint: { host: '10.0.0.2', port: 5432, checkHost: '10.0.0.3', checkPort: 8008 } },
      ],
    });
    expect(listeners.get(29000)?.slot[0]).to.deep.equal({
      admin: 'drain',
      endpoint: { host: 'fd00::2', port: 5432, checkHost: 'fd00::2', checkPort: 8008 },
    });
  });
});
