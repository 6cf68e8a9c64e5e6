# What install.sh does, for Windows: finds or fetches the binary that the manifest beside this file names for this
# machine, and hands its path on as the step's output `path`. Nothing is handed on whose SHA-256 is not the manifest's.
#
# BINARY_PATH, BINARY_BASE_URL and BINARY_VERIFY are the inputs of those names.

$ErrorActionPreference = 'Stop'
# The progress bar of Invoke-WebRequest makes it many times slower.
$ProgressPreference = 'SilentlyContinue'

# Ends the step with one annotation.
function Stop-Step([string] $Message) {
    $escaped = $Message.Replace('%', '%25').Replace("`r", '%0D').Replace("`n", '%0A')
    [Console]::Out.WriteLine("::error title=agent-task was not installed::$escaped")
    exit 1
}

# A file's name on Windows has no line break, so one line is enough.
function Set-Path([string] $Path) {
    Add-Content -LiteralPath $env:GITHUB_OUTPUT -Value "path=$Path" -Encoding utf8
}

function Get-Sha256([string] $Path) {
    (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
}

$bringYourOwn = 'bring the binary yourself and name it in `binary-path`'
$verify = $true
if ($env:BINARY_VERIFY -in 'false', 'False', 'FALSE') {
    $verify = $false
} elseif ($env:BINARY_VERIFY -and $env:BINARY_VERIFY -notin 'true', 'True', 'TRUE') {
    Stop-Step "``binary-verify: $env:BINARY_VERIFY`` is no boolean; write ``true`` or ``false``."
}

$own = ''
if ($env:BINARY_PATH) {
    # A relative path starts at the workspace, which is where a step starts.
    $own = [System.IO.Path]::GetFullPath($env:BINARY_PATH, $PWD.ProviderPath)
    if (-not (Test-Path -LiteralPath $own -PathType Leaf)) {
        Stop-Step "``binary-path: $env:BINARY_PATH``: there is no such file. A relative path starts at the workspace."
    }
    if (-not $verify) {
        Set-Path $own
        exit 0
    }
}

$architecture = [System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture.ToString()
$target = switch ($architecture) {
    'X64' { 'x86_64-pc-windows-msvc' }
    'Arm64' { 'aarch64-pc-windows-msvc' }
    default { Stop-Step "There is no binary for Windows on $architecture, only for X64 and Arm64." }
}

$version = ''
$base = ''
$wanted = ''
$file = ''
$platforms = @()
foreach ($line in Get-Content -LiteralPath (Join-Path $PSScriptRoot 'manifest.txt')) {
    $words = @(-split $line)
    if ($words.Count -eq 0 -or $words[0].StartsWith('#')) { continue }
    if ($words[0] -eq 'version') {
        $version = $words[1]
    } elseif ($words[0] -eq 'base') {
        $base = $words[1]
    } else {
        $platforms += $words[0]
        if ($words[0] -eq $target) {
            $wanted = $words[1]
            $file = $words[2]
        }
    }
}
if ($platforms.Count -eq 0) {
    Stop-Step ('This commit of the action has no released binary. Pin a release of the action (a tag, or the ' +
        "commit of a tag), or $bringYourOwn with ``binary-verify: false``.")
}
if (-not $wanted) {
    Stop-Step ("Release $version has no binary for $target, only for: $platforms. Pin another release, or " +
        "$bringYourOwn with ``binary-verify: false``.")
}
if ($version -notmatch '^[A-Za-z0-9][A-Za-z0-9._+-]*$' -or $wanted -notmatch '^[0-9a-f]{64}$' -or
    $file -notmatch '^[A-Za-z0-9][A-Za-z0-9._+-]*$') {
    Stop-Step 'dist/manifest.txt of the action is damaged.'
}

if ($own) {
    $found = Get-Sha256 $own
    if ($found -ne $wanted) {
        Stop-Step ("``binary-path: $env:BINARY_PATH`` has the SHA-256 $found, and release $version for $target has " +
            "$wanted. Bring that file, or set ``binary-verify: false`` if you trust this one.")
    }
    Set-Path $own
    exit 0
}

# A tool cache outlives the job and other jobs can write to it, so a file is not trusted for being there.
$roots = @(@($env:RUNNER_TOOL_CACHE, $env:RUNNER_TEMP, [System.IO.Path]::GetTempPath()) | Where-Object { $_ })
foreach ($root in $roots) {
    $path = [System.IO.Path]::Combine($root, 'agent-task', $version, $wanted, $file)
    if ((Test-Path -LiteralPath $path -PathType Leaf) -and (Get-Sha256 $path) -eq $wanted) {
        Set-Path $path
        Write-Output "agent-task $version for $target, checked, from the cache"
        exit 0
    }
}

if ($env:BINARY_BASE_URL) { $base = $env:BINARY_BASE_URL }
$url = "$($base.TrimEnd('/'))/$file"
# A mirror's password is nobody's business.
$shown = $url -replace '//[^/]*@', '//***@'
if ($url -notmatch '^https://' -and $url -notmatch '^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/') {
    Stop-Step "``binary-base-url`` must be an ``https://`` address; $shown is none."
}

# The file gets its own name only when it is whole and checked, so that no job beside this one ever sees half of it.
$temporary = ''
foreach ($root in $roots) {
    $folder = [System.IO.Path]::Combine($root, 'agent-task', $version, $wanted)
    try {
        New-Item -ItemType Directory -Force -Path $folder | Out-Null
        $try = Join-Path $folder ".fetching.$([guid]::NewGuid())"
        New-Item -ItemType File -Path $try | Out-Null
        $temporary = $try
        break
    } catch {
        continue
    }
}
if (-not $temporary) {
    Stop-Step "No folder can be written: $($roots -join ', '). Make room or fix permissions, or $bringYourOwn."
}

$path = Join-Path $folder $file
try {
    foreach ($pause in 1, 3, 0) {
        try {
            Invoke-WebRequest -Uri $url -OutFile $temporary -TimeoutSec 120
            break
        } catch {
            $status = [int] $_.Exception.Response.StatusCode
            if ($status -in 404, 410) {
                Stop-Step ("There is nothing at $shown. Was the release removed, or does the mirror in " +
                    "``binary-base-url`` not have version ${version}? Pin another release, or $bringYourOwn.")
            }
            if ($pause -eq 0) {
                Stop-Step ("$shown cannot be fetched, after three attempts ($($_.Exception.Message)). Check the " +
                    "network, HTTPS_PROXY and the free space, give a mirror in ``binary-base-url``, or $bringYourOwn.")
            }
            Start-Sleep -Seconds $pause
        }
    }
    $found = Get-Sha256 $temporary
    if ($found -ne $wanted) {
        Stop-Step ("The file at $shown has the SHA-256 $found, and this commit of the action wants $wanted. It was " +
            'thrown away. Somebody has changed the file, or something on the way has. Do not trust it; tell the ' +
            'maintainers.')
    }
    try {
        Move-Item -LiteralPath $temporary -Destination $path -Force
    } catch {
        # Windows keeps a program that is running from being replaced. If a job beside this one has put the same
        # bytes there, they serve as well.
        if (-not (Test-Path -LiteralPath $path -PathType Leaf) -or (Get-Sha256 $path) -ne $wanted) {
            Stop-Step "The binary cannot be put into ${folder}: $($_.Exception.Message). Or $bringYourOwn."
        }
    }
} finally {
    Remove-Item -LiteralPath $temporary -Force -ErrorAction SilentlyContinue
}
Set-Path $path
Write-Output "agent-task $version for $target, checked, fetched"
