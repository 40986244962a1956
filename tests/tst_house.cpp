#include <QDir>
#include <QDirIterator>
#include <QProcess>
#include <QRegularExpression>
#include <QStandardPaths>
#include <QTest>

namespace {

QString root()
{
    return QStringLiteral(MILLRACE_SOURCE_DIR "/");
}

QStringList words(const char *text)
{
    return QString::fromLatin1(text).split(QLatin1Char(' '), Qt::SkipEmptyParts);
}

QStringList linesOf(const QString &path)
{
    QFile file(root() + path);
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()).split(QLatin1Char('\n'))
                                          : QStringList();
}

/// Our C++ files below `folder`, relative to the root.
QStringList sourcesBelow(const QString &folder)
{
    QStringList paths;
    QDirIterator files(root() + folder, words("*.h *.cpp"), QDir::Files, QDirIterator::Subdirectories);
    while (files.hasNext())
        paths += QDir(root()).relativeFilePath(files.next());
    paths.sort();
    return paths;
}

/// What `path` includes: "..." without, <...> with the brackets.
QStringList includesOf(const QString &path)
{
    static const QRegularExpression include(
        QStringLiteral("^\\s*#\\s*include\\s*(?:\"([^\"]+)\"|(<[^>]+>))"));
    QStringList includes;
    for (const QString &line : linesOf(path)) {
        if (const auto match = include.match(line); match.hasMatch())
            includes += match.captured(1) + match.captured(2);
    }
    return includes;
}

} // namespace

/// The rules of the house that a compiler does not check: what may stand where, and who may know whom.
class TestHouse : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void topLevelHoldsOnlyItsRooms()
    {
        const QStringList allowed =
            words("CMakeLists.txt CMakePresets.json CHANGELOG.md LICENSE README.md app viewmodels "
                  "models qml workers tests build");

        for (const QString &entry : QDir(root()).entryList(QDir::AllEntries | QDir::NoDotAndDotDot))
            QVERIFY2(allowed.contains(entry), qPrintable(entry));
    }

    void foldersIncludeOnlyWhatTheyMayKnow_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<QStringList>("known"); // beginnings of the paths of our own headers

        const auto row = [](const char *folder, const char *known) {
            QTest::newRow(folder) << folder << words(known);
        };
        row("workers/protocol", "workers/protocol/");
        row("workers/warden", "workers/warden/");
        row("workers/helper", "workers/helper/ workers/protocol/");
        row("workers/tasks", "workers/tasks/ workers/helper/ workers/protocol/");
        // launch.h is the wire to the warden: what both sides of it know.
        row("workers/pool", "workers/pool/ workers/protocol/ workers/warden/launch.h");
        row("models", "models/");
        row("viewmodels", "viewmodels/ models/ workers/pool/supervisor.h workers/protocol/task.h");
        row("qml", "qml/ viewmodels/");
        row("app", "app/ qml/ viewmodels/ models/ workers/");
        row("tests", "tests/ app/ qml/ viewmodels/ models/ workers/");
    }

    void foldersIncludeOnlyWhatTheyMayKnow()
    {
        QFETCH(QString, folder);
        QFETCH(QStringList, known);

        for (const QString &path : sourcesBelow(folder)) {
            const QDir ownFolder = QFileInfo(root() + path).dir();
            for (const QString &include : includesOf(path)) {
                if (include.startsWith(QLatin1Char('<')) || include.endsWith(QLatin1String(".moc")))
                    continue;
                const bool isBeside = !include.contains(QLatin1Char('/')) && ownFolder.exists(include);
                const bool isKnown = std::any_of(known.begin(), known.end(), [&](const QString &begin) {
                    return include.startsWith(begin);
                });
                QVERIFY2(isKnown || isBeside, qPrintable(path + QStringLiteral(" includes ") + include));
            }
        }
    }

    void plainFilesIncludeNoQt_data()
    {
        QTest::addColumn<QString>("path");

        for (const char *path :
             {"workers/tasks", "workers/warden", "workers/helper/kernel.h", "workers/protocol/task.h",
              "workers/pool/pool.h", "workers/pool/pool.cpp", "workers/pool/leasetable.h",
              "workers/pool/leasetable.cpp", "workers/pool/rowsink.h"})
            QTest::newRow(path) << path;
    }

    void plainFilesIncludeNoQt()
    {
        QFETCH(QString, path);
        const QStringList paths = QFileInfo(root() + path).isDir() ? sourcesBelow(path) : QStringList{path};

        QVERIFY(!paths.isEmpty());
        for (const QString &file : paths) {
            QVERIFY2(QFile::exists(root() + file), qPrintable(file));
            for (const QString &include : includesOf(file))
                QVERIFY2(!include.startsWith(QLatin1String("<Q")) && !include.startsWith(QLatin1String("<q")),
                         qPrintable(file + QStringLiteral(" includes ") + include));
        }
    }

    void programsLinkOnlyTheirLibraries_data()
    {
        QTest::addColumn<QString>("program");
        QTest::addColumn<QString>("allowed"); // a pattern that every library must match

        QTest::newRow("worker") << "millrace-worker"
                                << "^(?!libQt6(?!Core\\.)).*$"; // of Qt: Core
        QTest::newRow("warden") << "millrace-warden"
                                << "^(libc|ld-linux.*)\\.so\\.\\d+$";
    }

    void programsLinkOnlyTheirLibraries()
    {
#ifdef MILLRACE_SANITIZED
        QSKIP("a sanitizer links its own libraries");
#endif
        if (QStandardPaths::findExecutable(QStringLiteral("readelf")).isEmpty())
            QSKIP("no readelf");
        QFETCH(QString, program);
        QFETCH(QString, allowed);
        QProcess readelf;
        readelf.start(QStringLiteral("readelf"), {QStringLiteral("-d"), QStringLiteral("-W"),
                                                  QStringLiteral(MILLRACE_BINARY_DIR "/bin/") + program});
        QVERIFY(readelf.waitForFinished());
        static const QRegularExpression needed(QStringLiteral("\\(NEEDED\\).*\\[(.+)\\]"));
        const QRegularExpression pattern(allowed);

        auto matches = needed.globalMatch(QString::fromLatin1(readelf.readAllStandardOutput()));
        QVERIFY(matches.hasNext());
        while (matches.hasNext()) {
            const QString library = matches.next().captured(1);
            QVERIFY2(pattern.match(library).hasMatch(),
                     qPrintable(program + QStringLiteral(" links ") + library));
        }
    }

    void pathsOfTheReadmeExist()
    {
        if (!QFile::exists(root() + QStringLiteral("README.md")))
            QSKIP("no README.md yet");
        static const QRegularExpression path(
            QStringLiteral("(?<![\\w/.-])(?:app|viewmodels|models|qml|workers|tests)"
                           "/[\\w./-]*\\w"));

        auto matches = path.globalMatch(linesOf(QStringLiteral("README.md")).join(QLatin1Char('\n')));
        while (matches.hasNext()) {
            const QString name = matches.next().captured();
            QVERIFY2(QFile::exists(root() + name), qPrintable(name));
        }
    }

    void forbiddenWordsAreNotUsed_data()
    {
        QTest::addColumn<QString>("word");

        // They block a thread that must not wait, let foreign events in, or cannot be counted on.
        for (const char *word : {"waitForFinished", "waitForStarted", "waitForReadyRead",
                                 "waitForBytesWritten", "BlockingQueuedConnection", "processEvents",
                                 "QEventLoop", "setsid(", "QLocalSocket", "QLocalServer", "QtCharts"})
            QTest::newRow(word) << word;
    }

    void forbiddenWordsAreNotUsed()
    {
        QFETCH(QString, word);

        for (const char *folder : {"app", "viewmodels", "models", "qml", "workers"}) {
            for (const QString &path : sourcesBelow(QString::fromLatin1(folder))) {
                for (const QString &line : linesOf(path)) {
                    const QString code =
                        line.section(QStringLiteral("//"), 0, 0); // a comment may say why not
                    QVERIFY2(!code.contains(word), qPrintable(path + QStringLiteral(": ") + line));
                }
            }
        }
    }

    void macroOfObjectsStandsAlone()
    {
        for (const char *folder : {"app", "viewmodels", "models", "qml", "workers", "tests"}) {
            for (const QString &path : sourcesBelow(QString::fromLatin1(folder))) {
                for (const QString &line : linesOf(path)) {
                    if (line.contains(QRegularExpression(QStringLiteral("\\bQ_(OBJECT|GADGET)\\b"))) &&
                        !line.contains(QLatin1Char('"')))
                        QVERIFY2(line.trimmed() == QLatin1String("Q_OBJECT") ||
                                     line.trimmed() == QLatin1String("Q_GADGET"),
                                 qPrintable(path + QStringLiteral(": ") + line));
                }
            }
        }
    }

    void headersGuardThemselves()
    {
        for (const char *folder : {"app", "viewmodels", "models", "qml", "workers", "tests"}) {
            for (const QString &path : sourcesBelow(QString::fromLatin1(folder))) {
                if (path.endsWith(QLatin1String(".h")))
                    QVERIFY2(linesOf(path).contains(QLatin1String("#pragma once")), qPrintable(path));
            }
        }
    }
};

QTEST_GUILESS_MAIN(TestHouse)
#include "tst_house.moc"
