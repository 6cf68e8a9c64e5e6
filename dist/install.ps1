# What install.sh does, for Windows: finds, fetches or builds the binary for this machine and writes its path to the
# step's output `path`. BINARY_PATH, BINARY_BASE_URL and BINARY_VERIFY are the inputs of those names.
#
# It must run in Windows PowerShell 5.1, which every Windows has, so it uses nothing newer and no character but ASCII.

$ErrorActionPreference = 'Stop'
# The progress bar of Invoke-WebRequest makes it many times slower.
$ProgressPreference = 'SilentlyContinue'
# PowerShell 5.1 may begin with protocols that GitHub refuses.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072 # TLS 1.2

$root = Split-Path -Parent $PSScriptRoot
$bringYourOwn = 'give a binary in `binary-path`'
$untrusted = "$bringYourOwn with ``binary-verify: false``"

# Ends the step with one annotation.
function Stop-Step([string] $Message) {
    $escaped = $Message.Replace('%', '%25').Replace("`r", '%0D').Replace("`n", '%0A')
    [Console]::Out.WriteLine("::error title=agent-task was not installed::$escaped")
    exit 1
}

# Ends the step well. A file's name on Windows has no line break, so one line is enough. AppendAllText writes no byte
# order mark, which Add-Content of PowerShell 5.1 does.
function Complete-Step([string] $Path, [string] $Message) {
    try {
        [System.IO.File]::AppendAllText($env:GITHUB_OUTPUT, "path=$Path`n")
    } catch {
        Stop-Step 'The path of the binary cannot be written to the file that GITHUB_OUTPUT names.'
    }
    Write-Output $Message
    exit 0
}

# Not Get-FileHash, which PowerShell 5.1 does not find if it was started by a newer one.
function Get-Hash([byte[]] $Bytes) {
    $hash = (New-Object System.Security.Cryptography.SHA256CryptoServiceProvider).ComputeHash($Bytes)
    [System.BitConverter]::ToString($hash).Replace('-', '').ToLowerInvariant()
}

# A file's SHA-256, or nothing if the file cannot be read.
function Get-Sha256([string] $Path) {
    try {
        Get-Hash ([System.IO.File]::ReadAllBytes($Path))
    } catch {
        ''
    }
}

# Whether this machine can execute a program: it may be blocked, or for another machine. A program whose libraries are
# missing starts, and ends with a negative status.
function Test-Runs([string] $Path) {
    try {
        & $Path --version | Out-Null
        $LASTEXITCODE -ge 0
    } catch {
        $false
    }
}

# Ends the step with the binary of `binary-path`.
function Complete-Own {
    if (-not (Test-Runs $own)) {
        Stop-Step "``binary-path: $env:BINARY_PATH`` cannot be executed on this machine. Is it for another one?"
    }
    Complete-Step $own 'agent-task: the binary of binary-path'
}

# Whether the binary is there. Other jobs can write to a tool cache, so a released one is checked again.
function Test-Installed([string] $Path) {
    (Test-Path -LiteralPath $Path -PathType Leaf) -and ($unreleased -or (Get-Sha256 $Path) -eq $wanted) -and
        (Test-Runs $Path)
}

# Whether a folder has no room for so many bytes: a tool does not always say why it failed.
function Test-Full([string] $Folder, [int] $Bytes) {
    $file = [System.IO.Path]::Combine($Folder, 'room')
    try {
        [System.IO.File]::WriteAllBytes($file, (New-Object byte[] $Bytes))
        $false
    } catch {
        $true
    } finally {
        Remove-Item -LiteralPath $file -Force -ErrorAction SilentlyContinue
    }
}

# Copies the binary to $place in the first folder where it can be written and executed. It appears there in one go, so
# jobs that share the folder never see a part of it.
function Copy-IntoPlace([string] $File) {
    foreach ($parent in $roots) {
        $folder = [System.IO.Path]::Combine($parent, $place)
        $path = [System.IO.Path]::Combine($folder, 'agent-task.exe')
        $partial = [System.IO.Path]::Combine($folder, "$([guid]::NewGuid()).exe")
        try {
            [System.IO.Directory]::CreateDirectory($folder) | Out-Null
            [System.IO.File]::Copy($File, $partial)
            if (Test-Runs $partial) {
                try {
                    [System.IO.File]::Move($partial, $path)
                } catch {
                    # Another job was faster, or what is there was changed.
                    if (-not (Test-Installed $path)) {
                        [System.IO.File]::Delete($path)
                        [System.IO.File]::Move($partial, $path)
                    }
                }
                return $path
            }
        } catch {
            continue
        } finally {
            Remove-Item -LiteralPath $partial -Force -ErrorAction SilentlyContinue
            try {
                # Only what is empty can be deleted.
                foreach ($made in $folder, "$folder\..", "$folder\..\..") { [System.IO.Directory]::Delete($made) }
            } catch {
                $made = ''
            }
        }
    }
    Stop-Step ("The binary cannot be written and executed in any of these folders: $($roots -join ', '). Make room " +
        "in one of them, make it writable, allow programs there, or $bringYourOwn.")
}

if (-not $env:GITHUB_OUTPUT) {
    Stop-Step 'GITHUB_OUTPUT is not set; this script is a step of a GitHub action.'
}
$verify = $true
if (@('false', 'False', 'FALSE') -ccontains $env:BINARY_VERIFY) {
    $verify = $false
} elseif ($env:BINARY_VERIFY -and @('true', 'True', 'TRUE') -cnotcontains $env:BINARY_VERIFY) {
    Stop-Step "``binary-verify``: expected true or false, got $env:BINARY_VERIFY."
}

$own = ''
if ($env:BINARY_PATH) {
    # A relative path starts at the workspace, which is where a step starts.
    try {
        $own = [System.IO.Path]::GetFullPath([System.IO.Path]::Combine($PWD.ProviderPath, $env:BINARY_PATH))
    } catch {
        $own = ''
    }
    if (-not [System.IO.File]::Exists($own)) {
        Stop-Step "``binary-path: $env:BINARY_PATH``: this file does not exist. A relative path starts at the workspace."
    }
    if (-not $verify) { Complete-Own }
}

# Which release this commit is, and what that has for this machine.
foreach ($file in 'dist/manifest.txt', 'dist/platforms.txt', 'Cargo.toml') {
    if (-not [System.IO.File]::Exists([System.IO.Path]::Combine($root, $file))) {
        Stop-Step "$file of the action cannot be read. Name the action in ``uses``, or copy its whole repository."
    }
}
$machine = "Windows/$([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture)"
$target = ''
foreach ($line in Get-Content -LiteralPath (Join-Path $PSScriptRoot 'platforms.txt')) {
    $words = @(-split $line)
    if ($words.Count -ge 2 -and $words[1].Split(',') -ccontains $machine) { $target = $words[0] }
}
$cargo = [System.IO.File]::ReadAllText((Join-Path $root 'Cargo.toml'))
$sourceVersion = [regex]::Match($cargo, '(?m)^\[package\]\r?\n(?:(?!\[).*\n)*?version *= *"([^"]*)"').Groups[1].Value
$version = ''
$base = ''
$wanted = ''
foreach ($line in Get-Content -LiteralPath (Join-Path $PSScriptRoot 'manifest.txt')) {
    $words = @(-split $line)
    if ($words.Count -lt 2 -or $words[0].StartsWith('#')) { continue }
    switch -CaseSensitive ($words[0]) {
        'version' { $version = $words[1] }
        'base' { $base = $words[1] }
        $target { $wanted = $words[1] }
    }
}
$unreleased = ''
if (-not $version -or $version -cne $sourceVersion) {
    $unreleased = 'This commit of the action has no released binary'
} elseif (-not $wanted) {
    $unreleased = "Release $version has no binary for $machine"
} elseif ($version -notmatch '^[A-Za-z0-9][A-Za-z0-9._+-]*$' -or $wanted -cnotmatch '^[0-9a-f]{64}$') {
    Stop-Step "dist/manifest.txt of the action is damaged. Pin another release, or $bringYourOwn."
}

if ($own) {
    if ($unreleased) {
        Stop-Step ("$unreleased, so ``binary-path: $env:BINARY_PATH`` cannot be checked. Pin a release of the action, or " +
            'set `binary-verify: false` if you trust this file.')
    }
    $found = Get-Sha256 $own
    if ($found -ne $wanted) {
        if (-not $found) { $found = 'of a file that cannot be read' }
        Stop-Step ("``binary-path: $env:BINARY_PATH`` has the SHA-256 $found, and release $version for $target has " +
            "$wanted. Give that file, or set ``binary-verify: false`` if you trust this one.")
    }
    Complete-Own
}

$temporary = [System.IO.Path]::GetTempPath()
$roots = @($env:RUNNER_TOOL_CACHE, $env:RUNNER_TEMP, $temporary | Where-Object { $_ })
$place = "agent-task\$version\$wanted"
if ($unreleased) {
    # All that a build depends on.
    $files = @('Cargo.toml', 'Cargo.lock', 'build.rs' | ForEach-Object { Join-Path $root $_ })
    $files += @(Get-ChildItem -LiteralPath (Join-Path $root 'src') -Recurse -File | ForEach-Object { $_.FullName })
    $lines = $files | Sort-Object | ForEach-Object { "$(Get-Sha256 $_) $($_.Substring($root.Length))" }
    $text = @($machine) + $lines -join "`n"
    $place = "agent-task\source\$(Get-Hash ([System.Text.Encoding]::UTF8.GetBytes($text)))"
}
foreach ($folder in $roots) {
    $path = [System.IO.Path]::Combine($folder, $place, 'agent-task.exe')
    if (Test-Installed $path) {
        if ($unreleased) {
            Complete-Step $path "agent-task $sourceVersion, built from these sources before, from the cache"
        }
        Complete-Step $path "agent-task $version for $target, checked, from the cache"
    }
}

if ($unreleased) {
    if (-not (Get-Command cargo -CommandType Application -ErrorAction SilentlyContinue)) {
        Stop-Step ("$unreleased, and cargo is missing, so it cannot be built either. Pin a release of the action (a " +
            "tag, or the commit of a tag), install Rust in a step before (https://rustup.rs), or $untrusted.")
    }
    Write-Output ("::notice title=agent-task is built from its sources::$unreleased, so cargo builds it now. That " +
        "takes two to five minutes, once for each tool cache, and GitHub's own runners begin with an empty one. Pin " +
        'a release of the action to avoid it.')
    # What else a job may have set that changes what is built.
    foreach ($name in 'CARGO_BUILD_RUSTFLAGS', 'CARGO_BUILD_TARGET', 'CARGO_ENCODED_RUSTFLAGS', 'RUSTC_WRAPPER',
        'RUSTFLAGS') {
        [Environment]::SetEnvironmentVariable($name, $null)
    }
} else {
    if ($env:BINARY_BASE_URL) { $base = $env:BINARY_BASE_URL }
    $url = "$($base.TrimEnd('/'))/agent-task-$target.zip"
    # A mirror's password must not reach the log, nor one with a `/` in it, which makes the address invalid.
    $shown = $url -replace '^(https?://)?.*@', '$1***@'
    $address = $null
    if ($url -notmatch '^https?://' -or -not [uri]::TryCreate($url, [UriKind]::Absolute, [ref] $address)) {
        Stop-Step "``binary-base-url``: expected an ``https://`` address, got $shown."
    }
    if ($url -match '^http:' -and $url -notmatch '^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/') {
        Stop-Step "$shown is not encrypted. Give an ``https://`` address in ``binary-base-url``."
    }
    # What curl does by itself: the password of an address, and the proxy of the environment.
    $headers = @{}
    if ($address.UserInfo) {
        $user = [System.Text.Encoding]::UTF8.GetBytes([uri]::UnescapeDataString($address.UserInfo))
        $headers['Authorization'] = "Basic $([Convert]::ToBase64String($user))"
    }
    if ($env:HTTPS_PROXY -and $address.Scheme -eq 'https') {
        try {
            $proxy = New-Object System.Net.WebProxy $env:HTTPS_PROXY
            $name, $password = [uri]::UnescapeDataString($proxy.Address.UserInfo) -split ':', 2
            if ($name) { $proxy.Credentials = New-Object System.Net.NetworkCredential $name, "$password" }
            # A name there stands for itself and all below it. A proxy of .NET has patterns for `https://name:port`.
            $proxy.BypassList = [string[]] @("$env:NO_PROXY" -split '[\s,]+' | Where-Object { $_ } |
                ForEach-Object { "//([^/]*\.)?$([regex]::Escape($_.TrimStart('.')))(:|`$)" })
            [System.Net.WebRequest]::DefaultWebProxy = $proxy
        } catch {
            Stop-Step 'HTTPS_PROXY: expected an `http://` address.'
        }
    }
}

$full = @()
foreach ($folder in $env:RUNNER_TEMP, $temporary, $env:RUNNER_TOOL_CACHE) {
    if (-not $folder) { continue }
    try {
        $scratch = [System.IO.Path]::Combine($folder, "agent-task.$([guid]::NewGuid())")
        [System.IO.Directory]::CreateDirectory($scratch) | Out-Null
    } catch {
        continue
    }
    try {
        if ($unreleased) {
            $env:CARGO_TARGET_DIR = [System.IO.Path]::Combine($scratch, 'target')
            $env:TEMP = $scratch
            $env:TMP = $scratch
            Write-Output '::group::cargo build --release --locked'
            Push-Location -LiteralPath $root
            & cargo build --release --locked
            $status = $LASTEXITCODE
            Pop-Location
            Write-Output '::endgroup::'
            # A cargo whose config file names a target puts it in a folder of that name.
            $built = $null
            if ($status -eq 0) {
                $built = [System.IO.Directory]::GetFiles($env:CARGO_TARGET_DIR, 'agent-task.exe', 'AllDirectories') |
                    Select-Object -First 1
            }
            if ($built) {
                $path = Copy-IntoPlace $built
                Complete-Step $path "agent-task $sourceVersion, built from its sources"
            }
            if (Test-Full $scratch 64MB) {
                $full += $folder
                continue
            }
            Stop-Step ("$unreleased, and cargo cannot build it (exit status $status); the log says why. The build " +
                "needs the Rust version that the action's Cargo.toml names, and a C compiler. Pin a release of the " +
                "action, or $untrusted.")
        }

        $archive = [System.IO.Path]::Combine($scratch, 'download.zip')
        $noRoom = $false
        foreach ($pause in 1, 3, 0) {
            try {
                Invoke-WebRequest -UseBasicParsing -Uri $address -Headers $headers -OutFile $archive -TimeoutSec 120
                break
            } catch {
                $why = $_.Exception.Message
                $status = 0
                if ($_.Exception.PSObject.Properties['Response'] -and $_.Exception.Response) {
                    $status = [int] $_.Exception.Response.StatusCode
                }
            }
            # More than any release has, packed and unpacked.
            $noRoom = Test-Full $scratch 8MB
            if ($noRoom) { break }
            if (404, 410 -contains $status) {
                Stop-Step ("There is nothing at $shown. Was the release removed, or does the mirror in " +
                    "``binary-base-url`` not have version ${version}? Pin another release, or $bringYourOwn.")
            }
            if ($status -ge 300 -and $status -lt 500 -and 403, 408, 425, 429 -notcontains $status) {
                Stop-Step "The server refuses $shown ($why). Check ``binary-base-url``, or $bringYourOwn."
            }
            if ($pause -eq 0 -and 403, 429 -contains $status) {
                Stop-Step ("The server refuses $shown, three times ($why). Try again later, check " +
                    "``binary-base-url``, or $bringYourOwn.")
            }
            if ($pause -eq 0) {
                Stop-Step ("$shown cannot be fetched, after three attempts ($why). Check the network and " +
                    "HTTPS_PROXY, give a mirror in ``binary-base-url``, or $bringYourOwn.")
            }
            Start-Sleep -Seconds $pause
        }
        $unpacked = [System.IO.Path]::Combine($scratch, 'unpacked')
        $binary = [System.IO.Path]::Combine($unpacked, 'agent-task.exe')
        $why = 'it holds no agent-task.exe'
        if (-not $noRoom) {
            try {
                Add-Type -AssemblyName System.IO.Compression.FileSystem
                [System.IO.Compression.ZipFile]::ExtractToDirectory($archive, $unpacked)
            } catch {
                $why = $_.Exception.Message
                $noRoom = Test-Full $scratch 8MB
            }
        }
        if ($noRoom) {
            $full += $folder
            continue
        }
        $found = Get-Sha256 $binary
        if (-not $found) {
            Stop-Step ("The file at $shown cannot be unpacked ($why). Something has changed it, perhaps a proxy. " +
                "Check ``binary-base-url``, or $bringYourOwn.")
        }
        if ($found -ne $wanted) {
            Stop-Step ("The file at $shown holds a binary with the SHA-256 $found, and this commit of the action " +
                "wants $wanted. It was deleted. Do not trust that file; report it to the maintainers.")
        }
        $path = Copy-IntoPlace $binary
        Complete-Step $path "agent-task $version for $target, checked, fetched"
    } finally {
        Remove-Item -LiteralPath $scratch -Recurse -Force -ErrorAction SilentlyContinue
    }
}
if ($full) {
    Stop-Step "The disk is full in $($full -join ', '). Make room there, or $bringYourOwn."
}
Stop-Step ("RUNNER_TEMP, the system's temporary folder and RUNNER_TOOL_CACHE cannot be written. Make room there, or " +
    "$bringYourOwn.")
