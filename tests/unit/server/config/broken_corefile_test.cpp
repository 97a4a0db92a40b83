// What an operator reads when a Corefile is wrong: the whole message, because it is the product.
#include <doctest/doctest.h>

#include <array>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

struct BrokenCorefile {
  const char* text;
  const char* faults;
};

// Each text is one block's directives, beginning on line 2.
constexpr auto broken_directives = std::to_array<BrokenCorefile>({
    {"x", "Corefile:2: Unknown directive 'x'\n"},
    {"kubernets", "Corefile:2: Unknown directive 'kubernets'; did you mean 'kubernetes'?\n"},
    {"proxy . 10.0.0.1", "Corefile:2: Unknown directive 'proxy'; write 'forward'\n"},
    {"a.org {\n errors\n}", "Corefile:2: Unknown directive 'a.org'; is a '}' missing above?\n"},
    {"dnssec",
     "Corefile:2: Directive 'dnssec' is not supported by this version of Fairlead yet; remove it to start without "
     "it\n"},
    {"dns64 10.0.0.0/8 {\nprefix 64:ff9b::/97\nprefixes\n}",
     "Corefile:2: '10.0.0.0/8' is not a prefix for IPv4 addresses; write an IPv6 network of 32, 40, 48, 56, 64 or 96 "
     "bits, such as '64:ff9b::/96'\n"
     "Corefile:3: '64:ff9b::/97' is not a prefix for IPv4 addresses; write an IPv6 network of 32, 40, 48, 56, 64 or 96 "
     "bits, such as '64:ff9b::/96'\n"
     "Corefile:4: unknown option 'prefixes' of 'dns64'; did you mean 'prefix'?\n"},
    {"nomad",
     "Corefile:2: Directive 'nomad' is left out of Fairlead: Nomad's services are not a Kubernetes cluster's; "
     "'forward' "
     "to its DNS\n"},
    {"cache\nerrors\ncache 30",
     "Corefile:4: Directive 'cache' is already used in this block, at Corefile:2; write it once\n"},

    {"hosts {\n10.0.0.1\nfalltrough\n10.0.0.2 a..b\nttl 70000\nfallthrough_unsupported\n}",
     "Corefile:3: '10.0.0.1' has no name; write 'ADDRESS NAME...'\n"
     "Corefile:4: unknown option 'falltrough' of 'hosts'; did you mean 'fallthrough'?\n"
     "Corefile:5: 'a..b' is not a domain name: empty label; write one such as 'example.org'\n"
     "Corefile:6: '70000' is not a number from 1 to 65535\n"
     "Corefile:7: 'fallthrough_unsupported' needs 'fallthrough'; write that too\n"},
    {"acl {\ndeny net 10.0.0.0/8\nblock type AAAAA net\nblock 10.0.0.0/8\nallow net 10.0.0.0/40\n}",
     "Corefile:3: unknown option 'deny' of 'acl'; write allow, block, filter or drop\n"
     "Corefile:4: 'AAAAA' is no record type; write one such as 'AAAA', 'TYPE65' or '*'\n"
     "Corefile:4: nothing stands behind 'net'; write networks such as '10.0.0.0/8', or leave it out for all\n"
     "Corefile:5: unexpected '10.0.0.0/8'; write 'allow|block|filter|drop [type TYPE...] [net NETWORK...]'\n"
     "Corefile:6: '10.0.0.0/40' is not a network; write one such as '10.0.0.0/8' or '2001:db8::1'\n"},

    {"health 8080", "Corefile:2: '8080' is not an address to listen on; write ':8080'\n"},
    {"health {\nlameduck 5\n}", "Corefile:3: '5' is not a duration; write a number with a unit, such as '5s'\n"},
    {"health {\nlameduck\n}", "Corefile:3: too few arguments for 'lameduck'; write 'lameduck DURATION'\n"},
    {"health {\nlamduck 5s\n}", "Corefile:3: unknown option 'lamduck' of 'health'; did you mean 'lameduck'?\n"},
    {"health {\nlameduck 5s\nerrors\n}",
     "Corefile:4: unknown option 'errors' of 'health'; it is a directive: is a '}' missing before it?\n"},
    {"ready :8181 :8182", "Corefile:2: too many arguments for 'ready'; write 'ready [ADDRESS]'\n"},
    {"ready {\nmonitor always\n}", "Corefile:3: unknown value 'always'; write until-ready or continuously\n"},
    {"errors file.log",
     "Corefile:2: 'errors' cannot log to 'file.log'; write 'errors', which logs to the standard output\n"},
    {"errors {\nconsolidate 5m \"(a\"\n}",
     "Corefile:3: bad regular expression '(a': missing ) in '(a'; write one as Go and RE2 do\n"},
    {"errors {\nconsolidate 5m a loud\n}",
     "Corefile:3: unexpected 'loud'; write 'consolidate DURATION REGEXP [warning|error|info|debug] [show_first]'\n"},
    {"log . \"{nmae} {type}\"",
     "Corefile:2: unknown placeholder '{nmae}' in the format of 'log'; did you mean '{name}'?\n"},
    {"log . \"{>ID}\"", "Corefile:2: unknown placeholder '{>ID}' in the format of 'log'; did you mean '{>id}'?\n"},
    {"log . \"{rflags}\"",
     "Corefile:2: unknown placeholder '{rflags}' in the format of 'log'; did you mean '{>rflags}'?\n"},
    {"log . {combind}",
     "Corefile:2: unknown placeholder '{combind}' in the format of 'log'; did you mean '{combined}'?\n"},
    {"log . \"{when} {name}\"",
     "Corefile:2: unknown placeholder '{when}' in the format of 'log'; remove it, or write one such as '{name}', "
     "'{>id}' or '{/LABEL}' for metadata\n"},
    {"log . \"{name {type}\"", "Corefile:2: '{name' in the format of 'log' is never closed; write '{name}'\n"},
    {"log . \"{type} {/a/b\"", "Corefile:2: '{/a/b' in the format of 'log' is never closed; write '{/a/b}'\n"},
    {"log . \"{/}\"",
     "Corefile:2: '{/}' in the format of 'log' names no metadata; write '{/LABEL}', such as '{/forward/upstream}'\n"},
    {"log a..b",
     "Corefile:2: 'a..b' is not a zone: empty label; write a name such as 'example.org' or a network such as "
     "'10.0.0.0/24'\n"},
    {"log {\nclass\n}", "Corefile:3: too few arguments for 'class'; write 'class all|success|denial|error...'\n"},
    {"log {\nclass denial errors\n}", "Corefile:3: unknown value 'errors'; write all, success, denial or error\n"},
    {"dnstap",
     "Corefile:2: too few arguments for 'dnstap'; write 'dnstap [listen] ENDPOINT [full] [WRITEBUFFER] [QUEUE]'\n"},
    {"dnstap listen",
     "Corefile:2: 'dnstap listen' needs an endpoint; write 'dnstap [listen] ENDPOINT [full] [WRITEBUFFER] [QUEUE]'\n"},
    {"dnstap tcp://127.0.0.1",
     "Corefile:2: 'tcp://127.0.0.1' is not an endpoint of dnstap; write one such as 'tcp://192.0.2.1:6000'\n"},
    {"dnstap tls://:6000",
     "Corefile:2: 'tls://:6000' is not an endpoint of dnstap; write one such as 'tls://192.0.2.1:6000'\n"},
    {"dnstap udp://127.0.0.1:6000",
     "Corefile:2: 'udp://127.0.0.1:6000' is not an endpoint of dnstap; write a path, or tcp:// or tls:// in front of "
     "an "
     "address and a port\n"},
    {"dnstap unix://", "Corefile:2: the path of the socket is empty; write one such as '/run/dnstap.sock'\n"},
    {"dnstap /s full 0 5000 x",
     "Corefile:2: '0' is not a number from 1 to 1024\n"
     "Corefile:2: '5000' is not a number from 1 to 4096\n"
     "Corefile:2: too many arguments for 'dnstap'; write 'dnstap [listen] ENDPOINT [full] [WRITEBUFFER] [QUEUE]'\n"},
    {"dnstap /s ful", "Corefile:2: 'ful' is not a number from 1 to 1024\n"},
    {"dnstap /s {\nextra {nmae}\n}",
     "Corefile:3: unknown placeholder '{nmae}' in 'extra' of 'dnstap'; did you mean '{name}'?\n"},
    {"dnstap listen tls://127.0.0.1:6000",
     "Corefile:2: a tls:// listener needs a certificate; write 'tls CERT KEY [CA]' in its block\n"},
    {"dnstap tls://127.0.0.1:6000 {\ntls a b\n}",
     "Corefile:2: 'tls' of 'dnstap' is for 'listen tls://...' alone; remove it, or write tls:// for the endpoint\n"},
    {"dnstap /s {\nidentiy x\n}", "Corefile:3: unknown option 'identiy' of 'dnstap'; did you mean 'identity'?\n"},
    {"log {\nclas error\n}", "Corefile:3: unknown option 'clas' of 'log'; did you mean 'class'?\n"},
    {"file", "Corefile:2: too few arguments for 'file'; write 'file DBFILE [ZONES...]'\n"},
    {"file db a..b {\nreload 1\nreload_by_mtime yes\nrelod 1s\n}",
     "Corefile:2: 'a..b' is not a zone: empty label; write a name such as 'example.org' or a network such as "
     "'10.0.0.0/24'\n"
     "Corefile:3: '1' is not a duration; write a number with a unit, such as '1s'\n"
     "Corefile:4: too many arguments for 'reload_by_mtime'; write 'reload_by_mtime'\n"
     "Corefile:5: unknown option 'relod' of 'file'; did you mean 'reload'?\n"},
    {"auto", "Corefile:2: 'auto' needs to know where the zone files are; write 'directory DIR' in its block\n"},
    {"auto {\ndirectory zones db.*\n}",
     "Corefile:3: 'directory' needs the zone that a file stands for, too; write 'directory DIR [REGEXP ORIGIN]'\n"},
    {"auto {\ndirectory zones db.* {1}\n}",
     "Corefile:3: the pattern of 'directory' has no group; write one, as in 'db\\.(.*)', for '{1}' to stand for\n"
     "Corefile:3: the pattern has no group 1\n"},
    {"auto {\ndirectory zones (db {1}\n}",
     "Corefile:3: bad regular expression '(db': missing ) in '(db'; write one as Go and RE2 do\n"},
    {"auto {\ndirectory zones (.*) {2}.x\n}", "Corefile:3: the pattern has no group 2\n"},
    {"loop twice", "Corefile:2: unexpected 'twice'; write 'loop' or 'loop degrade'\n"},
    {"reload 1s", "Corefile:2: the duration '1s' is too short; write '2s' or more\n"},
    {"reload 5s 1ms", "Corefile:2: the jitter '1ms' is too short; write '0s', or '1s' or more\n"},
    {"transfer",
     "Corefile:2: 'transfer' without 'to' lets nobody transfer; write 'to ADDRESS' or 'to *' in its block\n"},
    {"transfer {\nto\n}",
     "Corefile:2: 'transfer' without 'to' lets nobody transfer; write 'to ADDRESS' or 'to *' in its block\n"
     "Corefile:3: too few arguments for 'to'; write 'to ADDRESS...|*'\n"},
    {"transfer {\nto * ns2.example.org 10.0.0.1:0 fe80::1%eth0\n}",
     "Corefile:3: 'ns2.example.org' is not an address to transfer to; write one such as '10.0.0.7', '10.0.0.7:5353' or "
     "'[2001:db8::7]:53', or '*' for every client\n"
     "Corefile:3: '10.0.0.1:0' is not an address to transfer to; write one such as '10.0.0.7', '10.0.0.7:5353' or "
     "'[2001:db8::7]:53', or '*' for every client\n"
     "Corefile:3: 'fe80::1%eth0' is not an address to transfer to; write one such as '10.0.0.7', '10.0.0.7:5353' or "
     "'[2001:db8::7]:53', or '*' for every client\n"},
    {"transfer {\nto *\nsource 10.0.0.1\nsource eth0\n}",
     "Corefile:5: 'source' is written twice; remove one of them\n"
     "Corefile:5: 'eth0' is not an address to send NOTIFY from; write one of this machine's\n"},
    {"transfer {\nto *\nfrom 10.0.0.1\n}", "Corefile:4: unknown option 'from' of 'transfer'; write to or source\n"},
    {"root", "Corefile:2: too few arguments for 'root'; write 'root PATH'\n"},
    {"cancel 0", "Corefile:2: the duration '0' is too short; write '1ns' or more\n"},
    {"timeouts",
     "Corefile:2: 'timeouts' sets nothing; write 'read DURATION', 'write DURATION', 'idle DURATION' or 'maxtcpqueries "
     "N' "
     "in its block, or remove it\n"},
    {"timeouts {\nread 500ms\nidle 48h\nmaxtcpqueries 0\n}",
     "Corefile:3: the duration '500ms' is too short; write '1s' or more\n"
     "Corefile:4: '48h' is more than a day; write '24h' or less\n"
     "Corefile:5: '0' is not a number from 1 to 1000000000\n"},
    {"multisocket 0", "Corefile:2: '0' is not a number from 1 to 1024\n"},
    {"nsid a\nnsid b", "Corefile:3: Directive 'nsid' is already used in this block, at Corefile:2; write it once\n"},
    {"bufsize 100", "Corefile:2: '100' is not a number from 512 to 4096\n"},
    {"local {\nlocalhost_prefix maybe\n}", "Corefile:3: unknown value 'maybe'; write on or off\n"},
    {"any thing", "Corefile:2: too many arguments for 'any'; write 'any'\n"},
    {"chaos v {\nx\n}", "Corefile:3: 'chaos' has no options; remove its block\n"},
    {"header", "Corefile:2: 'header' changes nothing; write 'response set ra' or the like in its block\n"},
    {"header {\nresponse set tc\nreply set aa\nquery toggle rd\nresponse set\n}",
     "Corefile:3: 'tc' is no flag that 'header' changes; write aa, ra or rd\n"
     "Corefile:4: unknown option 'reply' of 'header'; write query or response\n"
     "Corefile:5: 'toggle' is no action of 'header'; write 'query|response set|clear aa|ra|rd...'\n"
     "Corefile:6: too few arguments for 'response'; write 'response set|clear aa|ra|rd...'\n"},
    {"shed 1", "Corefile:2: too many arguments for 'shed'; write 'shed'\n"},
    {"minimal 1", "Corefile:2: too many arguments for 'minimal'; write 'minimal'\n"},
    {"whoami {\nx\n}", "Corefile:3: 'whoami' has no options; remove its block\n"},
    {"loop here now", "Corefile:2: too many arguments for 'loop'; write 'loop [degrade]'\n"},
    {"debug {\nall\n}", "Corefile:3: 'debug' has no options; remove its block\n"},
    {"loadbalance {\nreload 5s\n}", "Corefile:3: 'reload' of 'loadbalance' goes with 'weighted' only; remove it\n"},
    {"loadbalance weighted", "Corefile:2: too few arguments for 'loadbalance'; write 'loadbalance weighted FILE'\n"},
    {"health 127.0.0.1:1 127.0.0.1:2", "Corefile:2: too many arguments for 'health'; write 'health [ADDRESS]'\n"},
    {"prometheus :1 :2", "Corefile:2: too many arguments for 'prometheus'; write 'prometheus [ADDRESS]'\n"},
    {"reload 5s 2s 1s", "Corefile:2: too many arguments for 'reload'; write 'reload [INTERVAL] [JITTER]'\n"},
    {"metadata {\nx\n}", "Corefile:3: 'metadata' has no options; remove its block\n"},
    {"loop {\nx\n}", "Corefile:3: 'loop' has no options; remove its block\n"},
    {"reload {\nx\n}", "Corefile:3: 'reload' has no options; remove its block\n"},
    {"autopath @kubernetes {\nx\n}", "Corefile:3: 'autopath' has no options; remove its block\n"},
    {"quic",
     "Corefile:2: Directive 'quic' is left out of Fairlead: DNS over QUIC is not served; serve plain DNS in the "
     "cluster\n"},
    {"route53",
     "Corefile:2: Directive 'route53' is left out of Fairlead: zones of a cloud provider's API are not a cluster's; "
     "serve them with the provider and reach them with 'forward'\n"},
    {"on",
     "Corefile:2: Directive 'on' is left out of Fairlead: a DNS server that runs commands is a risk; use the pod's "
     "lifecycle hooks\n"},
    {"loadbalance robin", "Corefile:2: unknown value 'robin'; write round_robin or weighted\n"},
    {"loadbalance {\nprefer 10.0.0.0/8 nonsense\n}",
     "Corefile:3: 'nonsense' is not a network; write one such as '10.0.0.0/8' or '2001:db8::/32'\n"},
    {"bind", "Corefile:2: too few arguments for 'bind'; write 'bind ADDRESS|INTERFACE...'\n"},
    {"bind 10.0.0.1:53",
     "Corefile:2: '10.0.0.1:53' is neither an IP address nor the name of an interface; write one such as '10.0.0.10' "
     "or "
     "'eth0', and ports after the zones\n"},

    {"autopath", "Corefile:2: too few arguments for 'autopath'; write 'autopath [ZONES...] RESOLV-CONF|@kubernetes'\n"},
    {"autopath a.org @erratic",
     "Corefile:2: '@erratic' gives no search list; write '@kubernetes', or a file such as '/etc/resolv.conf'\n"},
    {"kubernetes in-addr.arpa",
     "Corefile:2: 'kubernetes' needs a zone that is not a reverse zone; write 'kubernetes cluster.local' or the "
     "like\n"},
    {"kubernetes a..b",
     "Corefile:2: 'a..b' is not a zone: empty label; write a name such as 'example.org' or a network such as "
     "'10.0.0.0/24'\n"},
    {"k8s_external example.net",
     "Corefile:2: 'k8s_external' needs 'kubernetes' in the same server block; add it there, for its zones\n"},
    {"kubernetes\nk8s_external in-addr.arpa",
     "Corefile:3: 'k8s_external' needs a zone that is not a reverse zone; write 'k8s_external example.org' or the "
     "like\n"},
    {"kubernetes\nk8s_external x.org {\napex a.b\nttl 3601\nheadless now\n}",
     "Corefile:4: 'a.b' is not one label; write one such as 'dns'\n"
     "Corefile:5: '3601' is not a number from 0 to 3600\n"
     "Corefile:6: too many arguments for 'headless'; write 'headless'\n"},
    {"kubernetes {\nendpoint \"\"\n}", "Corefile:3: 'endpoint' is empty; write 'endpoint URL' or remove the line\n"},
    {"kubernetes {\nttl 3601\n}", "Corefile:3: '3601' is not a number from 0 to 3600\n"},
    {"kubernetes {\npods all\n}", "Corefile:3: unknown value 'all'; write disabled, insecure or verified\n"},
    {"kubernetes {\nnamespaces a b\nnamespace_labels x=y\n}",
     "Corefile:3: 'namespaces' and 'namespace_labels' exclude each other; remove one of them\n"},
    {"kubernetes {\nlabels tier in (web\nnamespace_labels a=b=c\n}",
     "Corefile:3: the label selector ends where ',' or ')' behind a value should be; write a selector such as "
     "'tier=web,environment in (staging, qa),!legacy'\n"
     "Corefile:4: found '=' where ',' between two requirements should be; write a selector such as "
     "'tier=web,environment in (staging, qa),!legacy'\n"},
    {"kubernetes {\nzonal\nnoendpoints\n}",
     "Corefile:3: 'zonal' needs the endpoints that 'noendpoints' switches off; remove one of them\n"},
    {"kubernetes {\nmulticluster clusterset.local\n}",
     "Corefile:3: the multicluster zone 'clusterset.local.' is not among the zones of 'kubernetes'; add it there\n"},
    {"kubernetes {\nsnapshot\n}", "Corefile:3: too few arguments for 'snapshot'; write 'snapshot FILE [MAX_AGE]'\n"},
    {"kubernetes {\nsnapshot /var/lib/\n}",
     "Corefile:3: 'snapshot' needs the name of a file; write 'snapshot /var/lib/fairlead/cluster'\n"},
    {"kubernetes {\nsnapshot file 0\n}", "Corefile:3: the duration '0' is too short; write '1s' or more\n"},
    {"kubernetes {\nsnapshot file 1h 2h\n}",
     "Corefile:3: too many arguments for 'snapshot'; write 'snapshot FILE [MAX_AGE]'\n"},
    {"proxyproto on", "Corefile:2: too many arguments for 'proxyproto'; write 'proxyproto { allow NETWORK... }'\n"},
    {"proxyproto {\nallow balancer 10.0.0.0/33\n}",
     "Corefile:3: 'balancer' is not a network; write one such as '10.0.0.0/8'\n"
     "Corefile:3: '10.0.0.0/33' is not a network; write one such as '10.0.0.0/8'\n"},
    {"proxyproto {\ndefault deny\n}", "Corefile:3: unknown value 'deny'; write use, ignore, reject or skip\n"},
    {"proxyproto {\nudp_session_tracking 2400h\n}", "Corefile:3: '2400h' is more than a day; write '24h' or less\n"},
    {"proxyproto {\nudp_session_tracking 1m 0\n}", "Corefile:3: '0' is not a number from 1 to 1000000\n"},
    {"proxyproto {\nallow 10.0.0.0/8\n}\nproxyproto {\nallow 10.0.0.0/8\n}",
     "Corefile:5: Directive 'proxyproto' is already used in this block, at Corefile:2; write it once\n"},
    {"tls crt", "Corefile:2: too few arguments for 'tls'; write 'tls CERT KEY [CA]'\n"},
    {"tls crt key ca more", "Corefile:2: too many arguments for 'tls'; write 'tls CERT KEY [CA]'\n"},
    {"tls crt key {\nclient_auth always\n}",
     "Corefile:3: unknown value 'always'; write nocert, request, require, verify_if_given or require_and_verify\n"},
    {"kubernetes {\ntls cert key\n}", "Corefile:3: too few arguments for 'tls'; write 'tls CERT KEY CACERT'\n"},
    {"kubernetes {\nignore all\n}", "Corefile:3: unknown value 'all'; write empty_service\n"},
    {"kubernetes {\nstartup_timeout -1s\n}",
     "Corefile:3: the duration '-1s' is negative; write one of 0 or more, such as '5s'\n"},
    {"kubernetes {\napiserver_qps nan\n}",
     "Corefile:3: 'nan' is not a rate; write a number of requests a second, such as '50'\n"},

    {"forward .", "Corefile:2: too few arguments for 'forward'; write 'forward FROM TO...'\n"},
    {"forward . 10.0.0.300",
     "Corefile:2: '10.0.0.300' is no upstream; write '10.0.0.10', '10.0.0.10:5353', '[2001:db8::1]:53' or a file such "
     "as '/etc/resolv.conf'\n"},
    {"forward . tls://9.9.9.9%dns.quad9.net {\ntls_servername dns.quad9.net\n}",
     "Corefile:2: both 'tls_servername' and an upstream's '%NAME' name the server; write one of them\n"},
    {"forward . tls://9.9.9.9 {\ntls_servername dns..net\n}",
     "Corefile:2: 'dns..net' is not a server's name; write one such as 'dns.example.org'\n"},
    {"forward . grpc://9.9.9.9",
     "Corefile:2: 'forward' cannot speak 'grpc://'; write an IP address, 'dns://' or a file such as "
     "'/etc/resolv.conf'\n"},
    {"forward . 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
     "Corefile:2: more than 15 upstreams; write fewer, or several 'forward' directives\n"},
    {"forward . 10.0.0.1 {\npolicy fastest\n}",
     "Corefile:3: unknown value 'fastest'; write random, round_robin or sequential\n"},
    {"forward . 10.0.0.1 {\nhealth_check 5s no_recursion\n}",
     "Corefile:3: unexpected 'no_recursion'; write 'health_check DURATION [no_rec] [domain FQDN]'\n"},
    {"forward . 10.0.0.1 {\nmax_concurrent many\n}", "Corefile:3: 'many' is not a number from 0 to 4294967295\n"},
    {"forward . 10.0.0.1 {\nfailover NOERROR SERVFOUL\n}",
     "Corefile:3: 'failover NOERROR' would drop good answers; write another RCODE such as 'SERVFAIL'\n"
     "Corefile:3: 'SERVFOUL' is not an RCODE; write one such as 'SERVFAIL'\n"},
    {"forward . https://9.9.9.9",
     "Corefile:2: 'TO https://' of 'forward' is not supported by this version yet; forward to plain DNS\n"},
    {"forward . 10.0.0.1 {\nhealth_check 5s domain a..b\n}",
     "Corefile:3: 'a..b' is not a domain name: empty label; write one such as 'example.org'\n"},
    {"forward . 10.0.0.1 {\nmax_age 1s\n}",
     "Corefile:2: 'max_age' is shorter than 'expire'; make it at least as long\n"},
    {"forward . 10.0.0.1 {\nread_timeout 0s\n}", "Corefile:3: the duration '0s' is too short; write '1ns' or more\n"},
    {"forward . 10.0.0.1 {\nsource_address eth0\nresolver dns:53\n}",
     "Corefile:3: 'eth0' is not an IP address; write one such as '10.0.0.7'\n"
     "Corefile:4: 'dns:53' is not an IP address with an optional port; write one such as '10.0.0.7:53'\n"},
    {"forward . 10.0.0.1 {\nexpire 5s {\nx\n}\n}",
     "Corefile:3: 'expire' takes no block; is a '}' missing before it?\n"},

    {"cache 0", "Corefile:2: '0' is not a number from 1 to 2147483647\n"},
    {"cache {\nsuccess many\n}", "Corefile:3: 'many' is not a number from 0 to 10000000\n"},
    {"cache {\nservfail 6m\n}", "Corefile:3: 'servfail 6m' is longer than RFC 2308 allows; write '5m' or less\n"},
    {"cache {\ndisable failure\n}", "Corefile:3: unknown value 'failure'; write success or denial\n"},
    {"cache {\nprefetch 10 1m 95%\n}", "Corefile:3: '95%' is not a percentage from 10% to 90%\n"},
    {"cache {\nserve_stale 1h immediate 1500ms 6m\n}",
     "Corefile:3: '1500ms' is not a TTL; write whole seconds, such as '30s'\n"
     "Corefile:3: the failure recheck '6m' is too long; write '5m' or less\n"},
    {"cache {\nserve_stale 1h immediate 30s 1m 1m\n}",
     "Corefile:3: too many arguments for 'serve_stale'; write 'serve_stale [DURATION] [MODE]'\n"},
    {"cache {\nserve_stale_policy prefer_positive\n}",
     "Corefile:2: 'serve_stale_policy' goes with 'serve_stale'; add 'serve_stale'\n"},
});

TEST_CASE("a wrong directive is one exact message") {
  for (const BrokenCorefile& broken : broken_directives) {
    CAPTURE(broken.text);
    CHECK(faults_of("example.org {\n" + std::string(broken.text) + "\n}\n") == broken.faults);
  }
}

// Whole Corefiles.
constexpr auto broken_corefiles = std::to_array<BrokenCorefile>({
    {"", "Corefile: no server block; write one, such as '. {', 'forward . /etc/resolv.conf' and '}'\n"},
    {"# nothing\n(s) {\n}\n",
     "Corefile: no server block; write one, such as '. {', 'forward . /etc/resolv.conf' and '}'\n"},
    {". {\n errors\n", "Corefile:1: '{' is never closed; add '}' on a line of its own after the block\n"},
    {". {\n errors \"stdout\n}\n", "Corefile:2: the quote is never closed; add '\"' at the end of the text\n"},
    {". {\n}\n}\n", "Corefile:3: '}' without a '{' before it; remove it, or add the missing '{'\n"},
    {"{\n errors\n}\n", "Corefile:1: a server block without a zone; write the zone before '{', such as '. {'\n"},
    {"a, {\n}\n", "Corefile:1: a zone is missing after 'a,'; add it or remove the comma\n"},
    {"https://. {\n}\n",
     "Corefile:1: serving 'https://' is not supported by this version of Fairlead yet; write the zone without it\n"},
    {"a.org tls://. tls://b.org:5 {\n}\n",
     "Corefile:1: 'tls://' needs 'tls CERT KEY' in its block; add it, or write 'dns://' and port 853 to serve without "
     "encryption\n"},
    {"tls://. {\n tls crt key\n}\n.:853 {\n}\n",
     "Corefile:4: port 853 is already that of 'tls://' at Corefile:1, and this is 'dns://'; give one of them another "
     "port or 'bind' address\n"},
    {"tls://a.org {\n tls crt key\n}\ntls://b.org {\n tls crt key\n bind 127.0.0.1\n}\ntls://c.org {\n tls crt "
     "other\n}\n",
     "Corefile:9: port 853 has another 'tls' already, at Corefile:2; one address has one certificate: write the same, "
     "or give one of the blocks another port or 'bind' address\n"},
    {"tls://. {\n tls crt key\n}\ntls://. {\n tls crt key\n}\n",
     "Corefile:4: zone '.' on port 853 is already served by the block at Corefile:1; merge the blocks, or give one "
     "another port or 'bind' address\n"},
    {"tls://. {\n tls crt key\n tls crt key\n}\n",
     "Corefile:3: Directive 'tls' is already used in this block, at Corefile:2; write it once\n"},
    {"tls://. {\n tls {\n acme dns.example.org\n email a@example.org\n }\n}\n",
     "Corefile:3: 'acme' of 'tls' is not supported by this version yet; write 'tls CERT KEY' with files that "
     "cert-manager or another client of ACME keeps\n"},
    {"quic://. {\n}\n", "Corefile:1: serving 'quic://' is left out of Fairlead; write the zone without it\n"},
    {"http://. {\n}\n", "Corefile:1: unknown scheme 'http://'; write the zone without it, or with 'dns://'\n"},
    {".:dns {\n}\n",
     "Corefile:1: '.:dns' is not a zone: 'dns' is not a port from 0 to 65535; write a name such as 'example.org' or a "
     "network such as '10.0.0.0/24'\n"},
    {"://a.org {\n}\n",
     "Corefile:1: '://a.org' is not a zone: nothing stands before '://'; write a name such as 'example.org' or a "
     "network such as '10.0.0.0/24'\n"},
    {"dns:// {\n}\n",
     "Corefile:1: 'dns://' is not a zone: nothing stands after '://'; write a name such as 'example.org' or a "
     "network such as '10.0.0.0/24'\n"},
    {"a.org: {\n}\n",
     "Corefile:1: 'a.org:' is not a zone: a port is missing after the last ':'; write a name such as 'example.org' or "
     "a network such as '10.0.0.0/24'\n"},
    {"10.0.0.0/33 {\n}\n",
     "Corefile:1: '10.0.0.0/33' is not a zone: '10.0.0.0/33' is not a network; write a name such as 'example.org' or a "
     "network such as '10.0.0.0/24'\n"},
    {"(s)\nerrors\n", "Corefile:1: snippet '(s)' has no block; write '(s) {'\n"},
    {"() {\n}\n. {\n}\n", "Corefile:1: a snippet without a name; write '(name) {'\n"},
    {"(s) {\n}\n(s) {\n}\n. {\n}\n",
     "Corefile:3: snippet '(s)' is already defined at Corefile:1; rename one of them\n"},
    {". {\n import\n}\n", "Corefile:2: 'import' takes one argument; write 'import FILE' or 'import SNIPPET'\n"},
    {". {\n import a b\n}\n", "Corefile:2: 'import' takes one argument; write 'import FILE' or 'import SNIPPET'\n"},
    {". {\n bind ::1 {\n except ::1\n }\n}\n",
     "Corefile:1: 'bind' excludes every address that it names; leave one of them\n"},
    {"kubernetes_zone..local {\n kubernetes\n cache\n loop\n}\n",
     "Corefile:1: 'kubernetes_zone..local' is not a zone: empty label; write a name such as 'example.org' or a network "
     "such as '10.0.0.0/24'\n"},
});

TEST_CASE("a wrong Corefile is one exact message") {
  for (const BrokenCorefile& broken : broken_corefiles) {
    CAPTURE(broken.text);
    CHECK(faults_of(std::string(broken.text)) == broken.faults);
  }
}

TEST_CASE("a Corefile with eleven faults names all of them, in the order of the file") {
  const std::string faults = faults_of(R"(tls://. {
    erors
    health {
        lameduck 5
    }
    ready 8181
    kubernetes cluster.local {
        pods all
        ttl 9999
    }
    forward . 10.0.0.300
    route53
    cache {
        success
    }
}
cluster.local:0x35 {
    health {
}
)");
  std::string lines;
  for (std::size_t at = 0; at < faults.size(); at = faults.find('\n', at) + 1) {
    lines += faults.substr(at, faults.find(": ", at) - at) + ' ';
  }
  CHECK(lines ==
        "Corefile:1 Corefile:2 Corefile:4 Corefile:6 Corefile:8 Corefile:9 Corefile:11 Corefile:12 Corefile:14 "
        "Corefile:17 Corefile:17 ");
}

TEST_CASE("more addresses than sockets are good for are a fault") {
  std::string bind = "bind";
  for (int i = 0; i <= 256; ++i) bind += " 10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256);
  CHECK(faults_of("example.org {\n" + bind + "\n}\n") ==
        "Corefile:1: 'bind' names more than 256 addresses; leave 'bind' out to serve all of them\n");
}

TEST_CASE("more clients of a transfer than can be told are a fault") {
  std::string to = "to";
  for (int i = 0; i <= 64; ++i) to += " 10.0.0." + std::to_string(i);
  CHECK(faults_of("example.org {\ntransfer {\n" + to + "\n}\n}\n") ==
        "Corefile:3: 'to' of 'transfer' has more than 64 addresses; write '*' and restrict the clients elsewhere\n");
}

TEST_CASE("each half of an exclusive pair may be missing without a fault of its own") {
  CHECK(faults_of(". {\n kubernetes cluster.local {\n noendpoints\n }\n}\n") == "");
}

}  // namespace
}  // namespace fairlead::server
