<#
.SYNOPSIS
Tries what only a real Windows can show of driftless, and writes one text file with the results.

.DESCRIPTION
    powershell -ExecutionPolicy Bypass -File check-on-windows.ps1 -Program C:\path\driftless.exe [-Network Z:\somewhere] [-Visible]

Everything happens in a folder that it makes on this machine, one below the folder of all users (PUBLIC), and one below -Network. They are
removed at the end.
Nothing else is touched, but for one value of the user's registry that `service install` makes and that is taken back.
-Network: a folder on a mapped drive or a share; without it, what needs one is left out and said.
-Visible: also asks the person at the screen two questions.
#>
param(
    [Parameter(Mandatory = $true)] [string] $Program,
    [string] $Network = '',
    [string] $Result = "$PWD\driftless-on-windows.txt",
    [switch] $Visible
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$Program = (Resolve-Path $Program).Path
if ($Network -and -not (Test-Path $Network)) { throw "there is no folder $Network" }
$id = 'driftless-check-' + [guid]::NewGuid().ToString('N').Substring(0, 8)
$top = Join-Path $env:LOCALAPPDATA $id
$far = if ($Network) { Join-Path $Network $id } else { Join-Path $top 'network' }
$near = Join-Path $top 'staging'
# Outside the profile, where others may read what is not closed to them.
$open = Join-Path $env:PUBLIC $id
$env:DRIFTLESS_HOME = Join-Path $top 'state'
$env:DRIFTLESS_STAGING_HOME = Join-Path $top 'copies'
$lines = New-Object System.Collections.Generic.List[string]

function Say([string] $text) {
    $lines.Add($text)
    Write-Host $text
}

# Runs the program; its code and all that it said.
function Run([string[]] $words) {
    $before = $ErrorActionPreference
    $ErrorActionPreference = 'Continue'
    $said = (& $Program @words 2>&1 | ForEach-Object { "$_" }) -join "`n"
    $ErrorActionPreference = $before
    [pscustomobject]@{ Code = $LASTEXITCODE; Said = $said }
}

function Sync([string[]] $more = @()) {
    Run (@('sync') + $more + @('--pair', $id, '--json'))
}

# One check: it answers $true or $false, or a text that says why it could not be made.
function Check([string] $what, [scriptblock] $try) {
    try { $found = & $try } catch { $found = "could not be tried: $($_.Exception.Message)" }
    if ($found -is [array]) { $found = $found[-1] }
    $word = if ($found -is [bool]) { if ($found) { 'ok    ' } else { 'FAILED' } } else { "?      ($found)" }
    Say "$word $what"
}

function Wait-For([scriptblock] $state, [int] $seconds = 60) {
    $until = (Get-Date).AddSeconds($seconds)
    while ((Get-Date) -lt $until) {
        if (& $state) { return $true }
        Start-Sleep -Milliseconds 200
    }
    return $false
}

# Who has rights on a file or folder, but for this user and the system.
function Others([string] $path) {
    $own = @([Security.Principal.WindowsIdentity]::GetCurrent().User.Value, 'S-1-5-18')
    $all = (Get-Acl $path).Access | ForEach-Object { $_.IdentityReference.Translate([Security.Principal.SecurityIdentifier]).Value }
    , @($all | Where-Object { $own -notcontains $_ })
}

function Text([string] $path) { [IO.File]::ReadAllText($path) }
function Save([string] $path, [string] $text) {
    [void] [IO.Directory]::CreateDirectory((Split-Path $path))
    [IO.File]::WriteAllText($path, $text)
}

try {
    [void] [IO.Directory]::CreateDirectory($far)
    [void] [IO.Directory]::CreateDirectory($near)
    Say "driftless on Windows, $(Get-Date -Format s)"
    Say "system: $([Environment]::OSVersion.VersionString), PowerShell $($PSVersionTable.PSVersion)"
    Say "program: $((Run @('--version')).Said)"
    Say "network folder: $(if ($Network) { 'given' } else { 'none given: a local one stands for it' })"

    Check 'a disk of this machine needs no staging' { (Run @('detect', "$env:SystemDrive\", '--json')).Said -match '"needs_staging":false' }
    if ($Network) {
        Check 'the network folder needs staging' { (Run @('detect', $far, '--json')).Said -match '"needs_staging":true' }
    }
    Save "$far\a.txt" 'one'
    Check 'the pair is made and the first sync done' {
        $init = Run @('init', '--name', $id, '--network', $far, '--staging', $near)
        $down = Sync @('down')
        $script:init = $init.Said
        $init.Code -eq 0 -and $down.Code -eq 0 -and (Text "$near\a.txt") -eq 'one'
    }
    if ($Network -match '^[A-Za-z]:') {
        Check 'a mapped letter becomes its share' { $script:init -match '\\\\[^\\?]' }
    }
    Check 'a letter of subst is the disk behind it' {
        $letter = @('Q', 'R', 'T', 'U', 'V', 'W') | Where-Object { -not (Test-Path "${_}:\") } | Select-Object -First 1
        if (-not $letter) { return 'no letter is free' }
        & subst "${letter}:" $top
        try { $told = Run @('detect', "${letter}:\x", '--json') } finally { & subst "${letter}:" /D }
        $told.Said -match '"needs_staging":false' -and $told.Said -match 'subst'
    }
    Check 'no path is shown in the form for programs' { -not ($script:init -match '\\\\\?\\') }
    Check 'in the folder of the project nobody has to say which pair' {
        Push-Location $far
        try { (Run @('status')).Code -eq 0 } finally { Pop-Location }
    }

    Check 'a rename that changes case alone arrives' {
        Save "$near\Case.txt" 'case'
        [void] (Sync @('up'))
        [IO.File]::Move("$near\Case.txt", "$near\cASE.txt")
        [void] (Sync @('up'))
        @(Get-ChildItem $far | Where-Object { $_.Name -ceq 'cASE.txt' }).Count -eq 1
    }
    Check 'a read-only file is replaced' {
        Save "$near\ro.txt" 'old'
        [void] (Sync @('up'))
        Set-ItemProperty "$far\ro.txt" IsReadOnly $true
        [void] (Sync @('down'))
        Set-ItemProperty "$near\ro.txt" IsReadOnly $false
        Save "$near\ro.txt" 'newer'
        $up = Sync @('up')
        $script:old = Get-ChildItem "$far\.driftless" -Recurse -Force -Filter 'ro.txt*' | Select-Object -First 1
        $up.Code -eq 0 -and (Text "$far\ro.txt") -eq 'newer'
    }
    Check '  and stays read-only in the trash, as by the newer way' { $script:old -and $script:old.IsReadOnly }
    Check 'a file that a program reads, letting others delete, is replaced below it' {
        Save "$far\open.txt" 'newer text'
        Save "$near\open.txt" 'newer text'
        [void] (Sync)
        $held = [IO.File]::Open("$near\open.txt", 'Open', 'Read', 'ReadWrite, Delete')
        try {
            Save "$far\open.txt" 'the newest text'
            $down = Sync @('down')
        } finally { $held.Dispose() }
        $down.Code -eq 0 -and (Text "$near\open.txt") -eq 'the newest text'
    }
    Check 'a file that a program holds is busy, with the name of the program, and is carried later' {
        Save "$near\held.txt" 'old'
        [void] (Sync @('up'))
        Save "$far\held.txt" 'newer'
        $held = [IO.File]::Open("$near\held.txt", 'Open', 'Read', 'None')
        try { $down = Run @('sync', 'down', '--pair', $id) } finally { $held.Dispose() }
        $later = Sync @('down')
        $script:busy = $down.Said
        $down.Code -eq 6 -and $later.Code -eq 0 -and (Text "$near\held.txt") -eq 'newer'
    }
    Check '  and the program is named' { $script:busy -match 'powershell|pwsh' }
    Check 'alternate data streams are told as not carried' {
        Save "$near\streams.txt" 'plain'
        Set-Content -Path "$near\streams.txt" -Stream 'extra' -Value 'hidden'
        $up = Run @('sync', 'up', '--pair', $id)
        $up.Said -match 'alternate data stream'
    }
    Check 'a junction is not followed, and told' {
        $aside = Join-Path $top 'aside'
        Save "$aside\secret.txt" 'secret'
        [void] (New-Item -ItemType Junction -Path "$near\junction" -Target $aside)
        $up = Run @('sync', 'up', '--pair', $id)
        $followed = Test-Path "$far\junction\secret.txt"
        # The junction itself, not what it leads to.
        [IO.Directory]::Delete("$near\junction")
        -not $followed -and $up.Said -match 'junction or a mounted volume' -and (Test-Path "$aside\secret.txt")
    }
    foreach ($way in @('up', 'down')) {
        Check "nothing is written through a junction (sync $way)" {
            $to = if ($way -eq 'up') { $far } else { $near }
            $from = if ($way -eq 'up') { $near } else { $far }
            $aside = Join-Path $top "aside-$way"
            Save "$from\through-$way\a.txt" 'old'
            [void] (Sync)
            [IO.Directory]::Move("$to\through-$way", $aside + '-before')
            Save "$aside\a.txt" 'precious'
            [void] (New-Item -ItemType Junction -Path "$to\through-$way" -Target $aside)
            Save "$from\through-$way\a.txt" 'newer and longer'
            $run = Run @('sync', $way, '--pair', $id)
            $kept = (Text "$aside\a.txt") -eq 'precious' -and @(Get-ChildItem $aside).Count -eq 1
            [IO.Directory]::Delete("$to\through-$way")
            [void] (Sync @('--allow-deletes'))
            $kept -and $run.Said -match 'junction or a mounted volume'
        }
    }
    Check 'a name that is no UTF-16 arrives' {
        $odd = "odd$([char] 0xD800).txt"
        try { Save "$near\$odd" 'odd' } catch { return 'this file system takes none' }
        $up = Sync @('up')
        $up.Code -eq 0 -and (Text "$far\$odd") -eq 'odd'
    }
    Check 'a symbolic link arrives as one' {
        Save "$near\target.txt" 'behind the link'
        Push-Location $near
        try { [void] (New-Item -ItemType SymbolicLink -Path 'link.txt' -Target 'target.txt') }
        catch { return 'this user may make none: switch the developer mode on' }
        finally { Pop-Location }
        [void] (Sync @('up'))
        (Get-Item "$far\link.txt").LinkType -eq 'SymbolicLink'
    }
    Check 'holes stay holes' {
        Save "$far\holes.bin" 'x'
        & fsutil sparse setflag "$far\holes.bin" | Out-Null
        if ($LASTEXITCODE -ne 0) { return 'this file system keeps none' }
        $file = [IO.File]::Open("$far\holes.bin", 'Open', 'Write')
        try { $file.SetLength(67108864) } finally { $file.Dispose() }
        [void] (Sync @('down'))
        (Get-Item "$near\holes.bin").Length -eq 67108864 -and ((& fsutil sparse queryflag "$near\holes.bin") -join ' ') -notmatch 'NOT'
    }
    Check 'a path of more than 400 characters arrives' {
        $deep = ('\' + ('long-name-' * 8)) * 6
        $root = if ($near.StartsWith('\\')) { '\\?\UNC' + $near.Substring(1) } else { "\\?\$near" }
        [void] [IO.Directory]::CreateDirectory($root + $deep)
        [IO.File]::WriteAllText($root + $deep + '\x.txt', 'deep')
        $up = Sync @('up')
        $there = if ($far.StartsWith('\\')) { '\\?\UNC' + $far.Substring(1) } else { "\\?\$far" }
        $up.Code -eq 0 -and [IO.File]::Exists($there + $deep + '\x.txt')
    }
    Check 'a command runs on the copy, and its code comes back' {
        Push-Location $far
        try { $run = Run @('run', '--', 'cmd', '/D', '/C', 'echo done>made.txt& exit 9') } finally { Pop-Location }
        $run.Code -eq 9 -and (Test-Path "$far\made.txt")
    }

    Check 'a staged copy stays while something in it is open, and is removed then' {
        $copy = Join-Path $env:DRIFTLESS_STAGING_HOME "$id-copy"
        Save "$top\network-of-copy\a.txt" 'one'
        $init = Run @('init', '--name', "$id-copy", '--network', "$top\network-of-copy")
        [void] (Run @('sync', '--pair', "$id-copy"))
        $there = (Text "$copy\a.txt") -eq 'one'
        $held = [IO.File]::Open("$copy\a.txt", 'Open', 'Read', 'ReadWrite, Delete')
        try { $stays = Run @('staging', 'remove', '--pair', "$id-copy", '--yes') } finally { $held.Dispose() }
        $kept = (Text "$copy\a.txt") -eq 'one'
        $gone = Run @('staging', 'remove', '--pair', "$id-copy", '--yes')
        $there -and $stays.Code -eq 4 -and $kept -and $gone.Code -eq 0 -and -not (Test-Path $copy)
    }
    Check 'a state folder outside the profile is closed to others' {
        $before = $env:DRIFTLESS_HOME
        $env:DRIFTLESS_HOME = Join-Path $open 'state'
        try {
            Save "$top\network-of-open\a.txt" 'one'
            $init = Run @('init', '--name', "$id-open", '--network', "$top\network-of-open", '--staging', "$top\staging-of-open")
        } finally { $env:DRIFTLESS_HOME = $before }
        Say "       icacls: $((& icacls "$open\state\$id-open") -join ' ')"
        $folder = Others "$open\state\$id-open"
        $file = Others "$open\state\$id-open\manifest.db"
        $init.Code -eq 0 -and $folder.Count -eq 0 -and $file.Count -eq 0
    }

    Save "$near\old\sub\x.txt" 'one'
    [void] (Sync @('up'))
    Check 'a process in the background carries what is saved' {
        $begun = Run @('watch', '--detach', '--pair', $id)
        Save "$near\watched.txt" 'w'
        $carried = Wait-For { Test-Path "$far\watched.txt" }
        $begun.Code -eq 0 -and $carried
    }
    Check '  and hears at once of a folder that was there before it' {
        $clock = [Diagnostics.Stopwatch]::StartNew()
        Save "$near\old\sub\x.txt" 'two, and longer'
        $carried = Wait-For { (Text "$far\old\sub\x.txt") -eq 'two, and longer' } 300
        Say "       carried after $([int] $clock.Elapsed.TotalMilliseconds) ms"
        $carried -and $clock.Elapsed.TotalSeconds -lt 10
    }
    Check '  and carries what is saved in the network folder' {
        $clock = [Diagnostics.Stopwatch]::StartNew()
        Save "$far\from-afar.txt" 'x'
        $carried = Wait-For { Test-Path "$near\from-afar.txt" } 660
        Say "       carried after $([int] $clock.Elapsed.TotalMilliseconds) ms"
        $carried
    }
    Check '  and has no window' {
        $process = [int] ([regex]::Match((Run @('status', '--pair', $id, '--json')).Said, '"process":(\d+)').Groups[1].Value)
        (Get-Process -Id $process).MainWindowHandle -eq 0
    }
    Check '  and its token is for this user alone' {
        # Administrators have the whole profile.
        @((Others "$env:DRIFTLESS_HOME\$id\control.token") | Where-Object { $_ -ne 'S-1-5-32-544' }).Count -eq 0
    }
    Check '  and is ended by `stop`' { (Run @('stop', '--pair', $id)).Code -eq 0 }
    Check 'Ctrl-C ends a watch process cleanly' {
        $code = @'
[DllImport("kernel32.dll")] public static extern bool GenerateConsoleCtrlEvent(uint what, uint group);
[DllImport("kernel32.dll")] public static extern bool SetConsoleCtrlHandler(IntPtr ear, bool ignore);
'@
        $console = Add-Type -MemberDefinition $code -Name Console -Namespace Driftless -PassThru
        $start = New-Object Diagnostics.ProcessStartInfo
        $start.FileName = $Program
        $start.Arguments = "watch --pair $id"
        # In this console, so that its Ctrl-C reaches it.
        $start.UseShellExecute = $false
        $process = [Diagnostics.Process]::Start($start)
        $seen = Wait-For { (Run @('status', '--pair', $id)).Said -match 'Watched by process' } 20
        if (-not $seen) { return 'it did not begin to watch' }
        # For all that share this console; this script ignores it for the moment.
        [void] $console::SetConsoleCtrlHandler([IntPtr]::Zero, $true)
        [void] $console::GenerateConsoleCtrlEvent(0, 0)
        $ended = $process.WaitForExit(10000)
        [void] $console::SetConsoleCtrlHandler([IntPtr]::Zero, $false)
        if (-not $ended) { [void] (Run @('stop', '--pair', $id)) }
        $ended -and $process.ExitCode -eq 130
    }
    Check 'a watch process whose window is closed ends cleanly' {
        $process = Start-Process $Program -ArgumentList "watch --pair $id" -PassThru
        $seen = Wait-For { (Run @('status', '--pair', $id)).Said -match 'Watched by process' } 20
        if (-not $seen) { return 'it did not begin to watch' }
        if (-not (Wait-For { $process.Refresh(); $process.MainWindowHandle -ne 0 } 5)) {
            [void] (Run @('stop', '--pair', $id))
            return 'its window is not its own here (Windows Terminal): close one by hand'
        }
        [void] $process.CloseMainWindow()
        $ended = $process.WaitForExit(10000)
        if (-not $ended) { [void] (Run @('stop', '--pair', $id)) }
        $ended -and $process.ExitCode -eq 129
    }
    Check 'the start at log-on is set up and taken back' {
        $key = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Run'
        $install = Run @('service', 'install', '--pair', $id)
        $value = (Get-ItemProperty $key)."driftless-$id"
        $script:value = $value
        $uninstall = Run @('service', 'uninstall', '--pair', $id)
        $gone = -not ((Get-ItemProperty $key).PSObject.Properties.Name -contains "driftless-$id")
        $install.Code -eq 0 -and $value -match '--headless' -and $uninstall.Code -eq 0 -and $gone
    }
    Check 'conhost --headless starts a program' {
        $mark = Join-Path $top 'headless.txt'
        Start-Process conhost.exe -ArgumentList '--headless', $env:ComSpec, '/D', '/C', "echo x>`"$mark`""
        Wait-For { Test-Path $mark } 15
    }
    if ($Visible) {
        $answer = Read-Host 'Did any window of a console flash up while this ran? (y/n)'
        Say "$(if ($answer -eq 'n') { 'ok    ' } else { 'FAILED' }) no window flashed up, says the person at the screen"
        if ($Network) {
            Read-Host 'Now take the network away (unplug, or switch the share off), wait 10 s, and press Enter' | Out-Null
            $away = Sync @('up')
            Say "$(if ($away.Code -eq 75) { 'ok    ' } else { 'FAILED' }) a share that is away is offline (code $($away.Code))"
            [void] (Run @('watch', '--detach', '--pair', $id))
            Save "$near\while-away.txt" 'x'
            Read-Host 'Bring it back, and press Enter' | Out-Null
            Check 'what was saved meanwhile arrives by the watch process alone' { Wait-For { Test-Path "$far\while-away.txt" } 300 }
            [void] (Run @('stop', '--pair', $id))
            Check 'a share that came back is in step again' { (Sync).Code -eq 0 }
        }
    }
} finally {
    try { [void] (Run @('service', 'uninstall', '--pair', $id)) } catch { }
    try { [void] (Run @('stop', '--pair', $id)) } catch { }
    # Read-only files and long paths too, and only what was made here.
    foreach ($made in @($top, $open) + $(if ($Network) { @($far) } else { @() })) {
        if ($made -like "*$id*") { & $env:ComSpec /D /C "rmdir /S /Q `"$(if ($made.StartsWith('\\')) { '\\?\UNC' + $made.Substring(1) } else { "\\?\$made" })`"" 2>$null }
    }
    [IO.File]::WriteAllLines($Result, $lines)
    Write-Host "Written: $Result"
}
