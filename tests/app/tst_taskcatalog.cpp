#include "app/taskcatalog.h"
#include "workers/protocol/description.h"

#include <QElapsedTimer>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <cerrno>
#include <sys/wait.h>

using namespace millrace;

class TestTaskCatalog : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;

    /// An executable shell script in place of a helper.
    std::string helperThat(const QByteArray &lines)
    {
        const QString path = m_folder.filePath(QStringLiteral("helper"));
        QFile file(path);
        file.open(QIODevice::WriteOnly | QIODevice::Truncate);
        file.write("#!/bin/sh\n" + lines + "\n");
        file.setPermissions(QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        return path.toStdString();
    }

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void cleanup()
    {
        QCOMPARE(waitpid(-1, nullptr, WNOHANG), -1); // no child is left, not even a zombie
        QCOMPARE(errno, ECHILD);
    }

    void realHelperTellsItsTasks()
    {
        TaskCatalog catalog;
        QSignalSpy loaded(&catalog, &TaskCatalog::loaded);
        QSignalSpy failed(&catalog, &TaskCatalog::failed);

        catalog.load(MILLRACE_BINARY_DIR "/bin/millrace-worker");
        QTRY_COMPARE_WITH_TIMEOUT(loaded.count(), 1, 10'000);

        QCOMPARE(failed.count(), 0);
        for (const char *name : {"count", "monte-carlo", "primes", "e-series", "command"}) {
            QVERIFY2(catalog.find(name), name);
            QCOMPARE(catalog.find(name)->name, name);
        }
        QVERIFY(!catalog.find("nothing"));
        QVERIFY(!catalog.find(""));
    }

    void helperIsAskedToDescribeItself()
    {
        TaskCatalog catalog;
        QSignalSpy loaded(&catalog, &TaskCatalog::loaded);

        catalog.load(helperThat("[ \"$*\" = --describe ] && echo '" + describeTasks({}) + "'"));
        QTRY_COMPARE_WITH_TIMEOUT(loaded.count(), 1, 10'000);

        QVERIFY(catalog.tasks().empty());
    }

    void helperThatIsNoneIsToldOnce_data()
    {
        QTest::addColumn<QByteArray>("lines");
        QTest::addColumn<QString>("reason");

        QTest::newRow("nothing") << QByteArray("exit 0") << "";
        QTest::newRow("garbage") << QByteArray("echo 'Segmentation {[\\0'") << "";
        QTest::newRow("other JSON") << QByteArray("echo '{\"millrace\": 99}'") << "";
        QTest::newRow("random bytes") << QByteArray("head -c 100000 /dev/urandom") << "";
        QTest::newRow("5 MiB") << QByteArray("head -c 5242880 /dev/zero")
                               << "its description is longer than 4 MiB";
        QTest::newRow("endless") << QByteArray("exec cat /dev/zero")
                                 << "its description is longer than 4 MiB";
        QTest::newRow("exit code") << QByteArray("echo bad >&2; exit 3")
                                   << "it ended with code 3 when asked for its tasks";
        QTest::newRow("exit code after good words") << QByteArray("echo '" + describeTasks({}) + "'; exit 3")
                                                    << "it ended with code 3 when asked for its tasks";
        QTest::newRow("crash") << QByteArray("kill -SEGV $$") << "it crashed when asked for its tasks";
        QTest::newRow("kill") << QByteArray("kill -KILL $$") << "it crashed when asked for its tasks";
    }

    void helperThatIsNoneIsToldOnce()
    {
        QFETCH(QByteArray, lines);
        QFETCH(QString, reason);
        TaskCatalog catalog;
        QSignalSpy loaded(&catalog, &TaskCatalog::loaded);
        QSignalSpy failed(&catalog, &TaskCatalog::failed);
        const std::string helper = helperThat(lines);

        catalog.load(helper);
        QTRY_COMPARE_WITH_TIMEOUT(failed.count(), 1, 10'000);
        QCoreApplication::processEvents();

        const QString begin =
            QStringLiteral("the helper %1 cannot be used: ").arg(QString::fromStdString(helper));
        const QString sentence = failed.first().first().toString();
        QVERIFY2(sentence.startsWith(begin), qPrintable(sentence));
        QVERIFY2(sentence.endsWith(reason), qPrintable(sentence));
        QVERIFY(sentence.size() > begin.size() && sentence.size() < begin.size() + 200);
        QCOMPARE(failed.count(), 1);
        QCOMPARE(loaded.count(), 0);
        QVERIFY(catalog.tasks().empty());
    }

    void missingHelperIsTold()
    {
        TaskCatalog catalog;
        QSignalSpy failed(&catalog, &TaskCatalog::failed);

        catalog.load("/nowhere/millrace-worker");
        QTRY_COMPARE_WITH_TIMEOUT(failed.count(), 1, 10'000);

        QVERIFY(failed.first().first().toString().startsWith(
            QLatin1String("the helper /nowhere/millrace-worker cannot be used: ")));
    }

    void helperThatHangsIsToldAndGone()
    {
        TaskCatalog catalog;
        QSignalSpy failed(&catalog, &TaskCatalog::failed);
        QElapsedTimer timer;
        timer.start();

        catalog.load(helperThat("exec sleep 1000"));
        QTRY_COMPARE_WITH_TIMEOUT(failed.count(), 1, 20'000);

        QVERIFY(timer.elapsed() >= 4500);
        QVERIFY(failed.first().first().toString().endsWith(
            QLatin1String("it did not describe its tasks within 5 s")));
    }

    void catalogThatGoesTakesItsHelperAlong()
    {
        QElapsedTimer timer;
        timer.start();
        {
            TaskCatalog catalog;
            catalog.load(helperThat("exec sleep 1000"));
        }

        QVERIFY(timer.elapsed() < 4000); // cleanup() sees that it is gone
    }
};

QTEST_GUILESS_MAIN(TestTaskCatalog)
#include "tst_taskcatalog.moc"
