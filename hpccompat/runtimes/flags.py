"""The options of container runtimes and of what starts them: which take a value, and where the options end (pure).

Each table is the list of a command's options, as its source or its own help has it: `B|bind=` is -B and --bind with a
value, `C|containall` a flag; `genv==` takes two words. A value that is optional stands in the option's own word: such
an option is a flag here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Flags:
    """`counts`: an option, without its dashes -> the number of words that it takes. `single`: long options have one
    dash, too, and letters are not joined (MPI's launchers)."""

    counts: dict[str, int]
    single: bool = False


@dataclass(frozen=True)
class Read:
    """`given`: (option without its dashes, first value), "" for a flag. `rest`: the words from the first that is no
    option. `unknown`: an option in no table; what follows it may be its value, and `rest` begins there."""

    given: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]
    unknown: str = ""

    def has(self, name: str) -> bool:
        return any(option == name for option, _ in self.given)


def table(text: str, single: bool = False) -> Flags:
    counts = {}
    for entry in text.split():
        names = entry.rstrip("=")
        for name in names.split("|"):
            counts[name] = len(entry) - len(names)
    return Flags(counts, single)


def read_flags(words: Sequence[str], flags: Flags) -> Read:
    """Up to the first word that is no option, or behind `--`."""
    given: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if not word.startswith("-") or word == "-":
            break
        at += 1
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("--") or (flags.single and (len(name) == 1 or name in flags.counts)):
            count = flags.counts.get(name)
            if count is None and not equals:
                return Read(tuple(given), tuple(words[at:]), word)
            given.append((name, value if equals else "".join(words[at : at + 1]) if count else ""))
            at += 0 if equals else count or 0
            continue
        letters = word[1:]
        for index, letter in enumerate(letters):
            count = flags.counts.get(letter)
            if count is None or flags.single:
                return Read(tuple(given), tuple(words[at:]), word)
            if count:
                value = letters[index + 1 :].removeprefix("=")
                given.append((letter, value or "".join(words[at : at + 1])))
                at += 0 if value else count
                break
            given.append((letter, ""))
    return Read(tuple(given), tuple(words[at:]))


NONE = table("")

# apptainer 1.5 and SingularityCE 4 (cmd/internal/cli), those that are hidden in --help too.
APPTAINER_GLOBAL = table("build-config c|config= d|debug nocolor q|quiet s|silent v|verbose h|help version")
APPTAINER = table("""
    add-caps= allow-setuid app= apply-cgroups= authfile= B|bind= blkio-weight= blkio-weight-device= boot cdi-dirs=
    c|contain C|containall containlibs= cpu-shares= cpus= cpuset-cpus= cpuset-mems= cwd= data= e|cleanenv compat device=
    disable-cache dmtcp-launch= dmtcp-restart= dns= docker-host= docker-login docker-password= docker-username=
    drop-caps=
    env= env-file= f|fakeroot fusemount= h|help H|home= hostname= i|ipc ignore-fakeroot-command ignore-subuid
    ignore-userns intel-hpu keep-layers keep-privs memory= memory-reservation= memory-swap= mount= n|net netns-path=
    network= network-args= no-compat no-eval no-home no-https no-init no-mount= no-nv no-oci no-pid no-privs no-rocm
    no-setgroups no-tmp-sandbox no-umask nohttps nv nvccli oci oom-kill-disable o|overlay= p|pid passphrase pem-path=
    pid-file= pids-limit= platform= proot= pwd= rocm run-as-uid run-as-user s|shell= S|scratch= security= sharens
    sif-fuse syos tmp-sandbox tmpdir= underlay unsquash u|userns uts vm vm-cpu= vm-err vm-ip= vm-ram= W|workdir=
    w|writable writable-tmpfs arch= arch-variant= library= allow-unsigned
""")

# `docker run --help` of 28; podman 5 (cmd/podman/common/create.go); podman-hpc's own of its documentation.
DOCKER_GLOBAL = table("""
    config= c|context= D|debug H|host= l|log-level= tls tlscacert= tlscert= tlskey= tlsverify v|version h|help
""")
PODMAN_GLOBAL = table("""
    cdi-spec-dir= cgroup-manager= config= conmon= connection= c= events-backend= help hooks-dir= identity= imagestore=
    log-level= module= network-cmd-path= network-config-dir= out= r|remote root= runroot= runtime= runtime-flag= ssh=
    storage-driver= storage-opt= syslog tmpdir= transient-store url= volumepath= v|version noout trace squash-dir=
    podman-bin= mount-program= conf-home= modules-dir=
""")
_RUN = """
    add-host= annotation= a|attach= blkio-weight= blkio-weight-device= cap-add= cap-drop= cgroup-parent= cgroupns=
    cidfile= cpu-count= cpu-percent= cpu-period= cpu-quota= cpu-rt-period= cpu-rt-runtime= c|cpu-shares= cpus=
    cpuset-cpus= cpuset-mems= d|detach detach-keys= device= device-cgroup-rule= device-read-bps= device-read-iops=
    device-write-bps= device-write-iops= disable-content-trust dns= dns-opt= dns-option= dns-search= domainname=
    entrypoint= e|env= env-file= expose= gpus= group-add= health-cmd= health-interval= health-retries=
    health-start-interval= health-start-period= health-timeout= help h|hostname= init i|interactive io-maxbandwidth=
    io-maxiops= ip= ip6= ipc= isolation= kernel-memory= l|label= label-file= link= link-local-ip= log-driver= log-opt=
    mac-address= m|memory= memory-reservation= memory-swap= memory-swappiness= mount= name= net= net-alias= network=
    network-alias= no-healthcheck oom-kill-disable oom-score-adj= pid= pids-limit= platform= privileged p|publish=
    P|publish-all pull= q|quiet read-only restart= rm runtime= security-opt= shm-size= sig-proxy stop-signal=
    stop-timeout= storage-opt= sysctl= tmpfs= t|tty ulimit= use-api-socket u|user= userns= uts= v|volume=
    volume-driver= volumes-from= w|workdir=
"""
DOCKER = table(_RUN)
PODMAN = table(
    _RUN
    + """
    arch= authfile= cert-dir= cgroup-conf= cgroups= chrootdirs= conmon-pidfile= creds= decryption-key= env-host
    env-merge= gidmap= group-entry= health-log-destination= health-max-log-count= health-max-log-size=
    health-on-failure= health-startup-cmd= health-startup-interval= health-startup-retries= health-startup-success=
    health-startup-timeout= hosts-file= hostuser= http-proxy image-volume= init-path= init-ctr= no-hostname no-hosts os=
    passwd passwd-entry= personality= pidfile= pod= pod-id-file= preserve-fd= preserve-fds= rdt-class= read-only-tmpfs
    replace requires= retry= retry-delay= rmi rootfs sdnotify= seccomp-policy= secret= shm-size-systemd=
    signature-policy= subgidname= subuidname= systemd= timeout= tls-verify tz= uidmap= umask= unsetenv= unsetenv-all
    variant=
"""
)
PODMAN_HPC = Flags(PODMAN.counts | table("""
    cuda-mpi cuda gpu mpi mpich nccl openmpi-pmi2 openmpi-pmix cvmfs pmix rocm shared
""").counts)  # fmt: skip

# enroot 3 and 4 (doc/cmd).
ENROOT_GLOBAL = table("h|help")
ENROOT_IMPORT = table("a|arch= o|output= h|help")
ENROOT_CREATE = table("n|name= f|force h|help")
ENROOT_START = table("c|conf|rc= e|env= r|root w|rw m|mount= h|help")

# sarus 1 (src/cli), with the options of its documentation.
SARUS_GLOBAL = table("h|help v|version debug verbose")
SARUS = table("""
    annotation= centralized-repository device= entrypoint= e|env= env-file= glibc init mount= m|mpi mpi-type= n|name=
    pid= ssh t|tty w|workdir= h|help
""")

# charliecloud 0.9 to 0.40 (bin/ch-run.c).
CH_RUN = table("""
    abort-fatal b|bind= c|cd= cdi-dirs= ch-ssh color device= d|devices env-no-expand feature= g|gid= home j|join
    join-pid= join-ct= join-tag= test= m|mount= no-home no-passwd t|private-tmp q|quiet seccomp set-env set-env0
    s|storage= u|uid= unsafe unset-env= v|verbose V|version warnings= w|write W write-fake passwd
""")

# shifter 18 to 21 (its documentation and --help).
SHIFTER = table("i|image= V|volume= v|verbose h|help e|env= env-file= E|clearenv w|workdir= m|module= entrypoint")

# Spack 0.20 to 1.1.
SPACK_GLOBAL = table("""
    b|bootstrap c|config= C|config-scope= d|debug D|env-dir= e|env= E|no-env k|insecure l|enable-locks L|disable-locks
    m|mock p|profile color= stacktrace timestamp pdb use-env-repo print-shell-vars= h|help v|verbose V|version
""")
SPACK_LOAD = table("sh csh fish bat pwsh first only= list h|help")
SPACK_ACTIVATE = table(
    "sh csh fish bat pwsh v|with-view= V|without-view p|prompt d|dir= temp create envfile= keep-relative h|help"
)

# srun of 22.05 to 26.05; then what SPANK plugins that start containers add: pyxis, shifter, uenv, Container Engine.
SRUN = table("""
    A|account= B|extra-node-info= C|constraint= D|chdir= E|preserve-env F|nodefile= G|gpus= H|hold I|immediate
    J|job-name= K|kill-on-bad-exit L|licenses= M|clusters= N|nodes= O|overcommit Q|quiet S|core-spec= T|threads=
    V|version W|wait= X|disable-status Z|no-allocate b|begin= c|cpus-per-task= d|dependency= e|error= h|help i|input=
    k|no-kill l|label m|distribution= n|ntasks= o|output= p|partition= q|qos= r|relative= s|oversubscribe t|time=
    u|unbuffered v|verbose w|nodelist= x|exclude=
    accel-bind= acctg-freq= bb= bbf= bcast bcast-exclude= cluster= cluster-constraint= comment= compress
    consolidate-segments container= container-id= context= contiguous cores-per-socket= cpu-bind= cpu_bind= cpu-freq=
    cpus-per-gpu= deadline= debugger-test delay-boot= epilog= exact exclusive export= export-file= external
    external-launcher extra= gid= gpu-bind= gpu-freq= gpus-per-node= gpus-per-socket= gpus-per-task= gres= gres-flags=
    het-group= hint= interactive jobid= mail-type= mail-user= mcs-label= mem= mem-bind= mem-per-cpu= mem-per-gpu=
    mincpus= mpi= msg-timeout= multi-prog network= nice ntasks-per-core= ntasks-per-gpu= ntasks-per-node=
    ntasks-per-socket= ntasks-per-tres= oom-kill-step open-mode= overlap pack-group= power= prefer= priority= profile=
    prolog= propagate pty quit-on-interrupt reboot reservation= resv-ports segment= send-libs share signal=
    slurmd-debug= sockets-per-node= spread-job spread-segments stepmgr switches= task-epilog= task-prolog=
    tasks-per-node= test-only thread-spec= threads-per-core= time-min= tmp= treewidth= tres-bind= tres-per-task= uid=
    usage use-min-nodes wait-for-children wckey= whole x11
    container-image= container-mounts= container-workdir= container-name= container-save= container-mount-home
    no-container-mount-home container-remap-root no-container-remap-root container-entrypoint no-container-entrypoint
    container-entrypoint-log container-writable container-readonly container-env=
    image= volume= module= uenv= view= environment= singularity-container= singularity-bind= singularity-args=
""")

# Open MPI 4 and 5 (mpirun, mpiexec, orterun, prun, prterun), MPICH's and Intel MPI's Hydra.
MPIRUN = table(
    """
    np= n= c= N= host= H= hostfile= machinefile= f= ppn= perhost= rr map-by= bind-to= rank-by= mca== gmca== pmixmca==
    prtemca== omca== x= wdir= wd= path= oversubscribe nooversubscribe report-bindings display-map display-allocation
    display= tag-output timestamp-output output-filename= output= output-proctable stdin= merge-stderr-to-stdout
    allow-run-as-root npernode= npersocket= pernode use-hwthread-cpus use-hwthreads cpu-set= cpus-per-proc=
    cpus-per-rank= prefix= noprefix q quiet v verbose V version h help mpi=  tune= am= app= xterm= timeout=
    report-pid= report-uri= dvm-uri= personality= nolocal novm do-not-launch do-not-resolve debug debug-daemons
    leave-session-attached launch-agent= enable-recovery disable-recovery continuous max-restarts= preload-binary
    preload-files= preload-files-dest-dir= show-progress get-stack-traces keep-fqdn-hostnames tmpdir= set-sid
    rankfile= rf= bynode byslot bycore bysocket bind-to-core bind-to-none bind-to-socket runtime-options=
    forward-signals=
    genv== genvlist= genvnone genvall env== envlist= envnone envall hosts= host-list= configfile= iface= l
    prepend-rank prepend-pattern= outfile-pattern= errfile-pattern= launcher= launcher-exec= bootstrap= bootstrap-exec=
    rmk= binding= profile print-rank-map print-all-exitcodes disable-hostname-propagation disable-auto-cleanup
    order-nodes= usize= pmi-port skip-launch-node membind= nameserver= demux= verbose-exec
    """,
    single=True,
)

# Of coreutils, util-linux, numactl, time and sudo: their --help.
ENV = table(
    "i|ignore-environment 0|null u|unset= C|chdir= S|split-string= block-signal default-signal ignore-signal v|debug"
)
TIME = table("a|append f|format= o|output= p|portability q|quiet v|verbose")
TIMEOUT = table("preserve-status f|foreground k|kill-after= s|signal= v|verbose p")
NICE = table("n|adjustment=")
NUMACTL = table("""
    a|all B|balancing P|preferred-many= p|preferred= i|interleave= w|weighted-interleave= N|cpunodebind= C|physcpubind=
    m|membind= l|localalloc b|localcpus s|show H|hardware h|huge t|strict S|shmmode= f|file= L|length= o|offset= u|touch
    cpubind= cpu-compress
""")
STDBUF = table("i|input= o|output= e|error=")
TASKSET = table("a|all-tasks c|cpu-list p|pid")
SUDO = table("""
    A|askpass B|bell b|background C|close-from= D|chdir= E preserve-env g|group= H|set-home h|host= i|login
    K|remove-timestamp
    k|reset-timestamp n|non-interactive P|preserve-groups p|prompt= R|chroot= r|role= S|stdin T|command-timeout= t|type=
    u|user= s|shell v|validate
""")
IONICE = table("c|class= n|classdata= t|ignore p|pid= P|pgid= u|uid=")
CHRT = table(
    "b|batch d|deadline f|fifo i|idle o|other r|rr R|reset-on-fork T|sched-runtime= P|sched-period= D|sched-deadline= v"
)
SETSID = table("c|ctty f|fork w|wait")
EXEC = table("c l a=")
SHELL = table("c e u x v l i o= O= rcfile= init-file= norc noprofile login posix")
